import type { OptionSpec } from './command.ts'

/** Understood by every command, before or after its name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '--config <file>', summary: 'the configuration (default: lifeboat.yaml here or above)', complete: 'files' },
  {
    flags: '--trust-config',
    summary: 'with --config: believe it and the files that it names, whoever could have written them',
  },
  {
    flags: '--repo <name>',
    summary: 'the repository to use, by its name in the configuration',
    complete: 'repositories',
  },
  { flags: '--json', summary: 'print one JSON document on stdout, and nothing else there' },
  { flags: '-q, --quiet', summary: 'print errors and results only' },
  { flags: '-v, --verbose', summary: 'say more; twice: everything', repeat: true },
  { flags: '--no-progress', summary: 'show no progress' },
  { flags: '--color <when>', summary: 'colour the output', choices: ['auto', 'always', 'never'] },
  { flags: '--lock-wait <duration>', summary: 'wait for a locked repository, as 30s or 5m (default: do not)' },
]

/** The names of the global options that take a value, for finding the command's name before it is parsed. */
export function takesValue(word: string): boolean {
  return GLOBAL_OPTIONS.some(({ flags }) => / <.*>$/.test(flags) && flags.split(/[ ,]+/).includes(word))
}
