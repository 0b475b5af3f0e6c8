import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { CheckOutcome, RestoreRequest } from '../source.ts'
import type { Target } from './restore-target.ts'
import { Session, SessionFault } from './session.ts'
import type { ExpectedContent } from './session-protocol.ts'

export interface Verified {
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
}

/** Runs the checks on a restored file that nobody else knows of yet. Nothing when the request wants none. */
export async function verifyDatabase(request: RestoreRequest, path: string): Promise<Verified> {
  if (!request.checks) return { checks: [], findings: [] }
  const session = new Session(request.signal)
  try {
    await session.call('openPrivate', { path })
    const expected = expectedOf(request.snapshot.manifest)
    const { checks, uncountedViolations } = await session.call('check', { expected })
    await session.call('settle', {})
    return { checks, findings: uncountedViolations > 0 ? [violations(path, uncountedViolations)] : [] }
  } catch (error) {
    if (!(error instanceof SessionFault) || error.fault.sqliteCode === undefined) throw error
    const check = { name: 'open', passed: false, expected: 'a SQLite database', found: error.message }
    return { checks: [check], findings: [] }
  } finally {
    await session.close()
  }
}

export function expectedOf(manifest: Manifest | undefined): ExpectedContent | undefined {
  if (!manifest?.database) return undefined
  const { tables, schemaFingerprint, properties } = manifest.database
  const counted = properties['foreignKeyViolations']
  return { tables, schemaFingerprint, foreignKeyViolations: typeof counted === 'number' ? counted : undefined }
}

/** `where` is the file that failed. */
export function verificationFailed(target: Target, checks: readonly CheckOutcome[], where: string): AppError {
  const failed = checks.filter(check => !check.passed)
  const first = failed[0]
  return new AppError('verification-failed', `the restored database fails ${failed.map(c => c.name).join(', ')}`, {
    context: { target: target.path, file: where, checks },
    hint: `Expected ${first?.expected ?? ''}, found ${first?.found ?? ''}. Restore another recovery point; the failed file is ${where}.`,
  })
}

/** Every byte is what was captured, so the database had them then: SQLite does not enforce foreign keys by default. */
function violations(path: string, count: number): Finding {
  return {
    severity: 'warning',
    code: 'foreign-key-violations',
    subject: path,
    message: `${count} rows refer to rows that do not exist`,
    hint: `They were so when the backup was taken. List them with: sqlite3 ${path} "PRAGMA foreign_key_check".`,
  }
}
