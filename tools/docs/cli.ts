import type { Command, OptionSpec } from '../../src/cli/command.ts'
import { GLOBAL_OPTIONS } from '../../src/cli/global-options.ts'
import { COMMAND_GROUPS, COMMANDS } from '../../src/cli/registry.ts'
import { GENERATED, table } from './markdown.ts'

/** docs/reference/cli.md */
export async function cliReference(): Promise<string> {
  const parts = [
    `${GENERATED}\n# Command line\n`,
    'Exit codes: 0 done; 1 failed; 2 usage; 3 finished, but incomplete; 10 no repository; 11 locked; 12 wrong password; 20 source unreachable; 21 verification failed; 22 damage found; 130 interrupted. See [errors.md](errors.md).\n',
    'Results go to stdout; progress, warnings and errors to stderr. With `--json`, stdout holds exactly one JSON document, also when the command fails: see [json.md](json.md).\n',
    `## Options of every command\n\n${optionTable(GLOBAL_OPTIONS)}`,
  ]
  for (const group of COMMAND_GROUPS) {
    parts.push(`## ${group}\n`)
    for (const entry of COMMANDS.filter(candidate => candidate.group === group)) {
      parts.push(describeCommand(await entry.load()))
    }
  }
  return parts.join('\n')
}

function describeCommand(command: Command): string {
  const words = (command.arguments ?? []).map(({ name, required, variadic }) => {
    const word = `${name}${variadic ? '...' : ''}`
    return required ? `<${word}>` : `[${word}]`
  })
  const options = command.options ?? []
  const usage = ['lifeboat', command.name, ...words, ...(options.length > 0 ? ['[options]'] : [])].join(' ')
  const parameters = table(
    ['Argument', 'Meaning'],
    (command.arguments ?? []).map(({ name, summary }) => [`\`${name}\``, summary]),
  )
  const examples = command.examples.map(each => `${each.command}   # ${each.explains}`).join('\n')
  return [
    `### ${command.name}\n`,
    `\`${usage}\`\n`,
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.\n`,
    ...(command.description ?? []).map(paragraph => `${paragraph}\n`),
    ...[parameters, optionTable(options)].filter(part => part !== ''),
    `\`\`\`sh\n${examples}\n\`\`\`\n`,
  ].join('\n')
}

function optionTable(options: readonly OptionSpec[]): string {
  const rows = options.map(({ flags, summary, choices, repeat }) => {
    const notes = [choices === undefined ? '' : `one of: ${choices.join(', ')}`, repeat ? 'may be repeated' : '']
    const more = notes.filter(note => note !== '').join('; ')
    return [`\`${flags}\``, more === '' ? summary : `${summary} (${more})`]
  })
  return table(['Option', 'Meaning'], rows)
}
