import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { CheckOutcome, RestoreRequest } from '../source.ts'
import { integrityFindings } from './integrity-findings.ts'
import type { Lacks } from './masking/copy-protocol.ts'
import type { Target } from './restore-target.ts'
import { copyOf } from './restored-copy.ts'
import { type Session, SessionFault } from './session.ts'
import type { CheckReport, ExpectedContent } from './session-protocol.ts'

export interface Verified {
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
}

/** Runs the checks on a restored file that nobody else knows of yet, as far as the request wants any, and shows it. */
export async function verifyDatabase(
  request: RestoreRequest,
  session: Session,
  path: string,
  target: Target,
  lacks: Lacks = { rowsOf: [], indexes: false },
): Promise<Verified> {
  if (!request.checks && request.onRestored === undefined) return { checks: [], findings: [] }
  try {
    await session.call('openPrivate', { path })
    if (!request.checks) {
      const asked = await request.onRestored?.(copyOf(path, request.signal))
      await session.call('settle', {})
      return { checks: asked ?? [], findings: [] }
    }
    const whole = expectedOf(request.snapshot.manifest)
    const tables = whole?.tables.filter(({ name }) => !lacks.rowsOf.includes(name)) ?? []
    const schemaFingerprint = lacks.indexes ? undefined : whole?.schemaFingerprint
    const expected = whole && { ...whole, tables, schemaFingerprint }
    const report = await session.call('check', { expected })
    const sound = report.checks.every(check => check.passed)
    const asserted = sound ? await request.onRestored?.(copyOf(path, request.signal)) : undefined
    await session.call('settle', {})
    return { checks: [...report.checks, ...(asserted ?? [])], findings: findingsOf(report, target.path) }
  } catch (error) {
    if (!(error instanceof SessionFault) || error.fault.sqliteCode === undefined) throw error
    const check = { name: 'open', passed: false, expected: 'a SQLite database', found: error.message }
    return { checks: [check], findings: [] }
  }
}

export function expectedOf(manifest: Manifest | undefined): ExpectedContent | undefined {
  if (!manifest?.database) return undefined
  const { tables, schemaFingerprint, condition, properties } = manifest.database
  const counted = properties['foreignKeyViolations']
  return {
    tables,
    schemaFingerprint,
    condition,
    foreignKeyViolations: typeof counted === 'number' ? counted : undefined,
  }
}

/** `where` is the file that failed. */
export function verificationFailed(target: Target, checks: readonly CheckOutcome[], where: string): AppError {
  const failed = checks.filter(check => !check.passed)
  const first = failed[0]
  return new AppError('verification-failed', `the restored database fails ${failed.map(c => c.name).join(', ')}`, {
    context: { target: target.path, file: where, checks },
    hint: `Expected ${first?.expected ?? ''}, found ${first?.found ?? ''}. Add --no-checks to take it as it is, or restore another recovery point. The file that failed is ${where}.`,
  })
}

function findingsOf(report: CheckReport, path: string): Finding[] {
  const findings = integrityFindings(report.failures, path, 'restored')
  if (report.uncountedViolations > 0) findings.push(violations(path, report.uncountedViolations))
  if (report.quick) findings.push(quickly(path))
  return findings
}

function quickly(path: string): Finding {
  return {
    severity: 'info',
    code: 'checked-quickly',
    subject: path,
    message:
      'pages and rows were checked; indexes and foreign keys of a database this big were not compared with the rows',
    hint: `Do it with: sqlite3 ${path} "PRAGMA integrity_check; PRAGMA foreign_key_check"`,
  }
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
