import { ERROR_CODES } from '../../src/base/error-codes.ts'
import { GENERATED, table } from './markdown.ts'

const EXIT_CODES: ReadonlyArray<readonly [code: string, meaning: string]> = [
  ['0', 'Done.'],
  ['1', 'Failed.'],
  ['2', 'The command line or the configuration is wrong; nothing was done.'],
  ['3', 'Finished, but something is missing: it could not be captured as it was, or one of several sources failed.'],
  ['10', 'There is no repository.'],
  ['11', 'The repository is locked by another process.'],
  ['12', 'The password is wrong.'],
  ['20', 'A source is not reachable or not fit to be captured.'],
  ['21', 'A proof failed: restored data did not pass its checks.'],
  ['22', 'Damage was found.'],
  ['23', 'A plan was declined, or what it was made of is gone; nothing was changed.'],
  ['24', 'Kept for upgrades: one failed on the copy; nothing was touched.'],
  ['25', 'Kept for upgrades: one failed on the real data, which was put back.'],
  ['26', 'Kept for upgrades: one failed and could not be put back.'],
  ['27', 'What is needed is archived by the storage: it can be read when the service has brought it back.'],
  ['130', 'Interrupted by Ctrl-C or a signal.'],
]

/** docs/reference/errors.md. Throws for an exit code that it does not explain. */
export function errorReference(): string {
  const explained = new Set(EXIT_CODES.map(([code]) => code))
  const unexplained = Object.entries(ERROR_CODES).find(([, { exit }]) => !explained.has(String(exit)))
  if (unexplained) throw new Error(`exit code ${unexplained[1].exit} of ${unexplained[0]} is not explained`)
  const rows = Object.entries(ERROR_CODES).map(([code, { exit, http, retry }]) => [
    `\`${code}\``,
    String(exit),
    String(http),
    retry ? 'yes' : 'no',
  ])
  return `${GENERATED}
# Errors

An error has a code, a message that names the thing, and a hint that says what to do. With \`--json\` it is printed as
\`{ "error": { "code", "message", "hint", "context" } }\`. An error with the code \`bug\` is one that Lifeboat did not
expect; please report it.

## Exit codes

1, 3, 10, 11, 12 and 130 mean what they mean for restic.

${table(['Exit code', 'Meaning'], EXIT_CODES)}
## Error codes

"Again" says whether trying the same once more may help.

${table(['Code', 'Exit', 'HTTP', 'Again'], rows)}`
}
