import type { Finding } from '../../model/finding.ts'
import type { DatabaseFile } from './database-file.ts'
import { formatVersion, hasWalResetBug } from './header.ts'
import type { Hold } from './instant.ts'

export interface Observed {
  readonly file: DatabaseFile
  readonly hold: Hold
  /** SQLite's number of the library that wrote last; 0 when unknown. */
  readonly sqliteVersion: number
}

/** What is worth knowing of the application, told when somebody asks (`probe`, `doctor`), not at each backup. */
export function adviceOf({ file, hold, sqliteVersion }: Observed): Finding[] {
  const findings: Finding[] = []
  const wal = hold.kind === 'none' ? file.header?.wal === true : hold.kind === 'wal'
  if (wal && hasWalResetBug(sqliteVersion)) {
    findings.push({
      severity: 'warning',
      code: 'sqlite-wal-reset-bug',
      subject: `database ${file.path}`,
      message: `the application writes it with SQLite ${formatVersion(sqliteVersion)}, which can corrupt a database in WAL mode`,
      hint: 'Update the SQLite library of the application to 3.51.3 or newer (or 3.50.7, 3.44.6): see https://www.sqlite.org/wal.html#walresetbug.',
    })
  }
  return findings
}

/** What is worth knowing of a database that could be captured. */
export function findingsOf({ file, hold }: Omit<Observed, 'sqliteVersion'>): Finding[] {
  const findings: Finding[] = []
  if (hold.kind === 'none' && hold.copy === 'recover') {
    findings.push({
      severity: 'warning',
      code: 'hot-journal',
      subject: `database ${file.path}`,
      message: 'the application stopped in the middle of a transaction, which is rolled back in the backup',
      hint: 'Start the application, so that SQLite rolls it back in the database too.',
    })
  }
  return findings
}
