import type { Finding } from '../../model/finding.ts'
import type { ManifestFailure } from '../../model/manifest.ts'

/** What was found, and when: in the database itself, or in what was brought back from a backup of it. */
export function integrityFindings(
  failures: readonly ManifestFailure[],
  path: string,
  when: 'captured' | 'restored',
): Finding[] {
  return failures.map(failure => {
    const said = ADVICE[failure.kind](failure.object, path)
    const past = when === 'restored' ? 'It was so when the backup was taken.' : 'A restore brings it back as it is.'
    return {
      severity: failure.kind === 'unevaluable' ? 'info' : 'warning',
      code: said.code,
      subject: said.subject,
      message: said.message(failure.message),
      hint: failure.kind === 'unevaluable' ? said.hint : `${past} ${said.hint}`,
    }
  })
}

interface Advice {
  readonly code: string
  readonly subject: string
  readonly message: (engine: string) => string
  readonly hint: string
}

const ADVICE: Readonly<Record<ManifestFailure['kind'], (object: string, path: string) => Advice>> = {
  constraint: (table, path) => ({
    code: 'rows-break-constraint',
    subject: `table ${table}`,
    message: engine => `rows break a rule of their table: ${engine}`,
    hint: `Such rows are older than the rule, or were written while it was off. List them with: sqlite3 ${path} "PRAGMA integrity_check".`,
  }),
  index: (index, path) => ({
    code: 'index-inconsistent',
    subject: `index ${index}`,
    message: engine => `the index does not agree with its table: ${engine}`,
    hint: `Mend it with: sqlite3 ${path} 'REINDEX "${index}"'.`,
  }),
  'search-index': (table, path) => ({
    code: 'search-index-inconsistent',
    subject: `table ${table}`,
    message: engine => `the search index does not agree with its rows: ${engine}`,
    hint: `Mend it with: sqlite3 ${path} "INSERT INTO ${table}(${table}) VALUES('rebuild')".`,
  }),
  pages: (table, path) => ({
    code: 'database-damaged',
    subject: table === '' ? `database ${path}` : `table ${table}`,
    message: engine => `the database file is damaged: ${engine}`,
    hint: `Keep older recovery points. Rescue rows with: sqlite3 ${path} ".recover" | sqlite3 rescued.db`,
  }),
  unevaluable: table => ({
    code: 'not-checkable',
    subject: `table ${table}`,
    message: engine => `its pages are checked, but not its indexes and rules: ${engine}`,
    hint: 'Only the application has this function or collation. The data is backed up whole and comes back as it is.',
  }),
}
