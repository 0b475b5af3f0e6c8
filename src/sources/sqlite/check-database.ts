import type { DatabaseSync } from 'node:sqlite'
import type { CheckOutcome } from '../source.ts'
import { countRows, countViolations, readSchema } from './describe-database.ts'
import { fingerprintSchema } from './schema-text.ts'
import type { CheckReport, ExpectedContent } from './session-protocol.ts'

/** Proves what was restored: sound pages and indexes, foreign keys as they were, and the rows the manifest promises. */
export function checkDatabase(db: DatabaseSync, expected: ExpectedContent | undefined): CheckReport {
  const checks: CheckOutcome[] = [attempt('integrity_check', 'ok', () => integrity(db))]
  const violations = countViolations(db)
  if (violations !== null && expected?.foreignKeyViolations !== undefined) {
    checks.push(compare('foreign_key_check', expected.foreignKeyViolations, violations))
  } else if (violations === 0) {
    checks.push(compare('foreign_key_check', 0, violations))
  }
  if (expected) checks.push(...compareContent(db, expected))
  const uncounted = expected?.foreignKeyViolations === undefined
  return { checks, uncountedViolations: uncounted ? (violations ?? 0) : 0 }
}

function integrity(db: DatabaseSync): string {
  const rows = db.prepare('PRAGMA integrity_check(10)').all()
  return rows.map(row => String(row['integrity_check'])).join('; ')
}

function compareContent(db: DatabaseSync, expected: ExpectedContent): CheckOutcome[] {
  const schema = attempt('schema', expected.schemaFingerprint, () => fingerprintSchema(readSchema(db)))
  const counts = expected.tables.map(({ name, rows }) =>
    attempt(`rows of ${name}`, String(rows), () => String(countRows(db, name))),
  )
  return [schema, ...counts]
}

function compare(name: string, expected: number, found: number): CheckOutcome {
  return { name, passed: expected === found, expected: String(expected), found: String(found) }
}

function attempt(name: string, expected: string, look: () => string): CheckOutcome {
  try {
    const found = look()
    return { name, passed: found === expected, expected, found }
  } catch (error) {
    return { name, passed: false, expected, found: error instanceof Error ? error.message : String(error) }
  }
}
