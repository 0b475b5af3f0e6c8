import { CommanderError, Option, Command as Parser } from 'commander'
import { AppError } from '../base/errors.ts'
import { typedPath } from '../base/typed-path.ts'
import type { ArgumentSpec, Command, Example, OptionSpec } from './command.ts'
import { GLOBAL_OPTIONS, takesValue } from './global-options.ts'
import { overview } from './overview.ts'
import { COMMANDS, type CommandEntry } from './registry.ts'
import { Values } from './values.ts'

export type Parsed =
  | { readonly kind: 'run'; readonly command: Command; readonly values: Values }
  | { readonly kind: 'print'; readonly text: string }

/**
 * Reads a command line (without node and script). Loads only the module of the command that is meant.
 * Throws `usage` with what was probably meant.
 */
export async function parseCommandLine(given: readonly string[]): Promise<Parsed> {
  const argv = given[0] === 'help' ? [...given.slice(1), '--help'] : given
  const entry = findEntry(argv)
  const command = await entry?.load()
  let run: Parsed | undefined
  let printed = ''
  const program = buildProgram(command, values => {
    if (command) run = { kind: 'run', command, values }
  })
  forEachParser(program, parser => {
    parser.exitOverride()
    parser.configureOutput({ writeOut: text => (printed += text), writeErr: () => {} })
  })
  if (argv.length === 0) return { kind: 'print', text: overview() }
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.helpDisplayed') return { kind: 'print', text: printed }
    throw usageError(error, entry, findWords(argv)[0] ?? '')
  }
  return run ?? { kind: 'print', text: printed }
}

const named = (name: string): CommandEntry | undefined => COMMANDS.find(entry => entry.name === name)

/** The command that the first words name. */
function findEntry(argv: readonly string[]): CommandEntry | undefined {
  const words = findWords(argv)
  return named(words.slice(0, 2).join(' ')) ?? named(words[0] ?? '')
}

/** The first words that are no options and no values of global ones. */
function findWords(argv: readonly string[]): string[] {
  const words: string[] = []
  for (let at = 0; at < argv.length && words.length < 3; at++) {
    const word = argv[at] ?? ''
    if (word === '--') break
    if (takesValue(word)) at++
    else if (!word.startsWith('-')) words.push(word)
  }
  return words
}

function buildProgram(loaded: Command | undefined, onRun: (values: Values) => void): Parser {
  const program = new Parser('lifeboat').helpOption('-h, --help', 'show this help').helpCommand(false)

  program.helpInformation = overview
  addOptions(program, GLOBAL_OPTIONS)
  let verbosity = 0
  program.on('option:verbose', () => verbosity++)
  program.addOption(new Option('-V, --version', 'print the version'))
  for (const entry of COMMANDS) {
    const parser = addStub(program, entry)
    if (loaded?.name !== entry.name) continue
    fill(parser, loaded)
    parser.action(() => onRun(valuesOf(program, parser, loaded, verbosity)))
  }
  return program
}

/** `key add` becomes `add` under `key`. */
function addStub(program: Parser, entry: CommandEntry): Parser {
  const [first = '', second] = entry.name.split(' ')
  if (second === undefined) return program.command(first).description(entry.summary)
  const known = program.commands.find(command => command.name() === first)
  const parent = known ?? program.command(first)
  return parent.command(second).description(entry.summary)
}

function fill(parser: Parser, command: Command): void {
  parser.description([sentence(command.summary), ...(command.description ?? [])].join('\n\n'))
  for (const argument of command.arguments ?? []) parser.argument(argumentFlags(argument), argument.summary)
  addOptions(parser, command.options ?? [])
  parser.addHelpText('after', exampleText(command.examples))
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

export function argumentFlags(argument: ArgumentSpec): string {
  const name = `${argument.name}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function addOptions(parser: Parser, options: readonly OptionSpec[]): void {
  for (const spec of options) {
    const option = new Option(spec.flags, spec.summary)
    if (spec.choices) option.choices([...spec.choices])
    if (spec.repeat && option.required) {
      option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
    }
    parser.addOption(option)
  }
}

function exampleText(examples: readonly Example[]): string {
  const width = Math.max(0, ...examples.map(example => example.command.length))
  const fits = width <= 50
  const lines = examples.map(({ command, explains }) =>
    fits ? `  ${command.padEnd(width)}  ${explains}` : `  ${command}\n      ${explains}`,
  )
  return `\nExamples:\n${lines.join('\n')}\n\nOptions of every command: "lifeboat --help".`
}

function valuesOf(program: Parser, parser: Parser, command: Command, verbosity: number): Values {
  const values: Record<string, unknown> = { ...program.opts(), ...parser.opts(), verbosity }
  for (const [index, argument] of (command.arguments ?? []).entries()) {
    values[argument.name] = parser.processedArgs[index]
  }
  const paths = [
    ...[...GLOBAL_OPTIONS, ...(command.options ?? [])]
      .filter(isPath)
      .map(option => new Option(option.flags).attributeName()),
    ...(command.arguments ?? []).filter(isPath).map(argument => argument.name),
  ]
  for (const name of paths) {
    const value = values[name]
    // No shell expands what follows "=".
    if (typeof value === 'string') values[name] = typedPath(value, process.env)
  }
  return new Values(values)
}

const isPath = ({ complete }: OptionSpec | ArgumentSpec): boolean => complete === 'files'

function forEachParser(parser: Parser, visit: (parser: Parser) => void): void {
  visit(parser)
  for (const child of parser.commands) forEachParser(child, visit)
}

/** Commander's sentence in our form: what is wrong, and as the hint what was probably meant. */
function usageError(error: CommanderError, entry: CommandEntry | undefined, word: string): AppError {
  const topic = entry?.name ?? (COMMANDS.some(({ name }) => name.startsWith(`${word} `)) ? word : undefined)
  const help = `Run "lifeboat ${topic === undefined ? '' : `${topic} `}--help" to see what there is.`
  if (error.code === 'commander.help') return new AppError('usage', 'the command is not complete', { hint: help })
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const meant = /\(Did you mean (.+)\?\)/.exec(rest.join(' '))?.[1]
  const message = first.replace(/\.$/, '')
  return new AppError('usage', message, { hint: meant === undefined ? help : `Did you mean ${meant}? ${help}` })
}
