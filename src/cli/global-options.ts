import type { OptionSpec } from './command.ts'

/** Understood by every command, before or after its name. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--config <file>',
    summary: 'configuration file (default: lifeboat.yaml in this folder or above)',
    complete: 'files',
  },
  {
    flags: '--trust-config',
    summary: 'with --config: trust this file and the files it names, whoever can write to them',
  },
  {
    flags: '--repo <name-or-url>',
    summary: 'the repository to use: its name in the configuration, or its URL or path (./backups), which needs none',
    complete: 'repositories',
  },
  { flags: '--json', summary: 'print one JSON document to stdout and nothing else' },
  { flags: '-q, --quiet', summary: 'print only errors and results' },
  { flags: '-v, --verbose', summary: 'print more; twice: everything', repeat: true },
  { flags: '--no-progress', summary: 'do not show progress' },
  {
    flags: '--no-cache',
    summary: 'read everything from the repository, and keep nothing of it on this machine: slower, and more requests',
  },
  { flags: '--color <when>', summary: 'colour the output', choices: ['auto', 'always', 'never'] },
  {
    flags: '--lock-wait <duration>',
    summary: 'wait this long for a locked repository, like 30s or 5m (default: do not wait)',
  },
  {
    flags: '--limit-upload <rate>',
    summary: 'send no faster to each repository, like 5MB/s, 500K or 100Mbit/s (default: as its "limit" says)',
  },
  { flags: '--limit-download <rate>', summary: 'the same for what is read' },
]

/** The names of the global options that take a value, for finding the command's name before it is parsed. */
export function takesValue(word: string): boolean {
  return GLOBAL_OPTIONS.some(({ flags }) => / <.*>$/.test(flags) && flags.split(/[ ,]+/).includes(word))
}
