import type { DatabaseSync } from 'node:sqlite'
import type { CheckOutcome } from '../source.ts'
import { countRows, countViolations, pragma, readSchema } from './describe-database.ts'
import { fingerprintSchema } from './schema-text.ts'
import type { CheckReport, ExpectedContent } from './session-protocol.ts'

/**
 * Above this, `quick_check` takes the place of `integrity_check`, and foreign keys are checked only if they were at
 * capture time: what looks up every row of every index takes five times as long as the restore itself.
 */
const FULL_CHECK_LIMIT_BYTES = 512 << 20
/** Proves what was restored: sound pages and indexes, foreign keys as they were, and the rows the manifest promises. */
export function checkDatabase(db: DatabaseSync, expected: ExpectedContent | undefined): CheckReport {
  // SQLite's own small cache is the fastest: pages come from memory anyway, and nearly each is looked at once.
  const quick = sizeOf(db) > FULL_CHECK_LIMIT_BYTES
  const pragmaName = quick ? 'quick_check' : 'integrity_check'
  const checks: CheckOutcome[] = [attempt(pragmaName, 'ok', () => integrity(db, pragmaName))]
  const counted = expected?.foreignKeyViolations
  const violations = quick && counted === undefined ? null : countViolations(db)
  if (violations !== null && (counted !== undefined || violations === 0)) {
    checks.push(attempt('foreign_key_check', String(counted ?? 0), () => String(violations)))
  }
  if (expected) checks.push(...compareContent(db, expected))
  return { checks, quick, uncountedViolations: counted === undefined ? (violations ?? 0) : 0 }
}

function sizeOf(db: DatabaseSync): number {
  try {
    return Number(pragma(db, 'page_count')) * Number(pragma(db, 'page_size'))
  } catch {
    return 0
  }
}

function integrity(db: DatabaseSync, pragmaName: string): string {
  const rows = db.prepare(`PRAGMA ${pragmaName}(10)`).all()
  return rows.map(row => String(row[pragmaName])).join('; ')
}

function compareContent(db: DatabaseSync, expected: ExpectedContent): CheckOutcome[] {
  const schema = attempt('schema', expected.schemaFingerprint, () => fingerprintSchema(readSchema(db)))
  const counts = expected.tables.map(({ name, rows }) =>
    attempt(`rows of ${name}`, String(rows), () => String(countRows(db, name))),
  )
  return [schema, ...counts]
}

function attempt(name: string, expected: string, look: () => string): CheckOutcome {
  try {
    const found = look()
    return { name, passed: found === expected, expected, found }
  } catch (error) {
    return { name, passed: false, expected, found: error instanceof Error ? error.message : String(error) }
  }
}
