import { GLOBAL_OPTIONS } from './global-options.ts'
import { COMMAND_GROUPS, COMMANDS } from './registry.ts'

/** What `lifeboat --help` prints. */
export function overview(): string {
  const rows = COMMANDS.map(({ name, summary, group }) => ({ name, summary, group }))
  const options = [
    ...GLOBAL_OPTIONS.map(({ flags, summary }) => ({ name: flags, summary })),
    { name: '-V, --version', summary: 'print the version' },
    { name: '-h, --help', summary: 'show help; also for a command: lifeboat backup --help' },
  ]
  const width = Math.max(...[...rows, ...options].map(({ name }) => name.length))
  const line = ({ name, summary }: { name: string; summary: string }): string => `  ${name.padEnd(width)}  ${summary}\n`
  const groups = COMMAND_GROUPS.map(title => {
    const members = rows.filter(row => row.group === title)
    return `${title}:\n${members.map(line).join('')}\n`
  })
  return `Lifeboat protects an application's data and proves that it comes back.

Usage: lifeboat <command> [options]

${groups.join('')}Options of every command:
${options.map(line).join('')}
Begin with "lifeboat init" in the folder of your application.
`
}
