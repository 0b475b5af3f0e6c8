import type { DatabaseSync } from 'node:sqlite'
import type { ManifestCondition, ManifestFailure } from '../../model/manifest.ts'
import type { CheckOutcome } from '../source.ts'
import { countRows, countViolations, pragma, readSchema } from './describe-database.ts'
import { type IntegrityCheck, isFailure, judgeDatabase } from './integrity.ts'
import { fingerprintSchema } from './schema-text.ts'
import type { CheckReport, ExpectedContent } from './session-protocol.ts'

/**
 * Above this, `quick_check` takes the place of `integrity_check`, and foreign keys are checked only if they were at
 * capture time: what looks up every row of every index takes five times as long as the restore itself.
 */
const FULL_CHECK_LIMIT_BYTES = 512 << 20

/**
 * Proves what was restored: pages, indexes and constraints no worse than they were captured, foreign keys as they were, and
 * the rows the manifest promises.
 */
export function checkDatabase(db: DatabaseSync, expected: ExpectedContent | undefined): CheckReport {
  // SQLite's own small cache is the fastest: pages come from memory anyway, and nearly each is looked at once.
  const quick = sizeOf(db) > FULL_CHECK_LIMIT_BYTES
  const check = quick ? 'quick_check' : 'integrity_check'
  const failures = judgeDatabase(db, check)
  const checks: CheckOutcome[] = [compareFailures(check, failures, expected?.condition)]
  const counted = expected?.foreignKeyViolations
  const violations = quick && counted === undefined ? null : countViolations(db)
  if (violations !== null && (counted !== undefined || violations === 0)) {
    checks.push(attempt('foreign_key_check', String(counted ?? 0), () => String(violations)))
  }
  if (expected) checks.push(...compareContent(db, expected))
  return { checks, quick, failures, uncountedViolations: counted === undefined ? (violations ?? 0) : 0 }
}

function sizeOf(db: DatabaseSync): number {
  try {
    return Number(pragma(db, 'page_count')) * Number(pragma(db, 'page_size'))
  } catch {
    return 0
  }
}

/**
 * The restore is to blame for what was not so before. Where nobody looked as closely before, nothing proves that: each byte
 * was held to its hash, so the data had the failure when it was captured.
 */
function compareFailures(
  check: IntegrityCheck,
  found: readonly ManifestFailure[],
  before: ManifestCondition | undefined,
): CheckOutcome {
  const failures = found.filter(isFailure)
  const known = before !== undefined && (before.check === 'integrity_check' || before.check === check)
  const then = known ? before.failures.filter(isFailure) : failures
  const isNew = (each: ManifestFailure): boolean =>
    !then.some(other => other.kind === each.kind && other.object === each.object)
  return { name: check, passed: !failures.some(isNew), expected: textOf(then), found: textOf(failures) }
}

function textOf(failures: readonly ManifestFailure[]): string {
  return failures.length === 0 ? 'ok' : failures.map(({ message }) => message).join('; ')
}

function compareContent(db: DatabaseSync, expected: ExpectedContent): CheckOutcome[] {
  const { schemaFingerprint } = expected
  const schema = schemaFingerprint === undefined ? [] : [compareSchema(db, schemaFingerprint)]
  const counts = expected.tables.map(({ name, rows }) =>
    attempt(`rows of ${name}`, String(rows), () => String(countRows(db, name))),
  )
  return [...schema, ...counts]
}

function compareSchema(db: DatabaseSync, fingerprint: string): CheckOutcome {
  return attempt('schema', fingerprint, () => fingerprintSchema(readSchema(db)))
}

function attempt(name: string, expected: string, look: () => string): CheckOutcome {
  try {
    const found = look()
    return { name, passed: found === expected, expected, found }
  } catch (error) {
    return { name, passed: false, expected, found: error instanceof Error ? error.message : String(error) }
  }
}
