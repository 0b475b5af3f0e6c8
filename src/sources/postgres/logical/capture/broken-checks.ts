import { quoteName, type Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { displayName, type TableName } from '../tables/table-pattern.ts'
import { BARRED, countBroken, listCandidates, manyRows } from './broken-keys.ts'

interface Check extends TableName {
  readonly check: string
  readonly expression: string
}

/**
 * CHECKs that the server holds to be kept; those that look at the clock come first, which rows break by and by. To ask runs
 * what the check calls, with our rights: so it may call nothing but functions of the server's own that depend on nothing
 * but their arguments, and those between dates and times.
 */
const CHECKS = `WITH ${BARRED},
checks AS (
  SELECT k.oid, k.conname, k.conrelid, k.conbin, k.conbin::text LIKE '%{SQLVALUEFUNCTION%' AS value
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE k.contype = 'c' AND k.convalidated AND c.relkind = 'r'
    AND NOT EXISTS (SELECT FROM barred WHERE rel = k.conrelid)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
      AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass))),
calls AS (
  SELECT k.oid, p.provolatile <> 'i' AS moving, p.provolatile = 'i' OR (p.oid < 16384
    AND (p.provolatile = 's' OR p.proname = 'clock_timestamp') AND p.pronamespace = 'pg_catalog'::regnamespace
    AND (p.proargtypes::oid[] || p.prorettype) <@ ARRAY['bool', 'int4', 'date', 'time', 'timetz', 'timestamp', 'timestamptz',
      'interval']::regtype[]::oid[]) AS safe
  FROM checks k CROSS JOIN LATERAL regexp_matches(k.conbin::text, ':(?:op)?funcid ([0-9]+)', 'g') AS f (id)
    LEFT JOIN pg_proc p ON p.oid = f.id[1]::oid)
SELECT n.nspname AS schema, c.relname AS name, k.conname AS check, pg_get_expr(k.conbin, k.conrelid) AS expression
FROM checks k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM calls f WHERE f.oid = k.oid AND f.safe IS NOT TRUE)
ORDER BY k.value OR EXISTS (SELECT FROM calls f WHERE f.oid = k.oid AND f.moving) DESC, 1, 2, 3`

/** Rows that no longer keep to a CHECK: a restore can't load them as long as it is there. As `findBrokenKeys`. */
export async function findBrokenChecks(
  session: Session,
  isCaptured: (table: TableName) => boolean,
  leftMs: () => number,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const check of await listCandidates<Check>(session, CHECKS)) {
    if (!isCaptured(check)) continue
    if (leftMs() <= 0) break
    const from = `ONLY ${quoteName(check.schema, check.name)} WHERE NOT (${check.expression})`
    const rows = await countBroken(session, from, leftMs())
    if (rows > 0) findings.push(brokenFinding(session.database, check, rows, from))
  }
  return findings
}

function brokenFinding(database: string, check: Check, rows: number, from: string): Finding {
  const table = displayName(check)
  return {
    severity: 'warning',
    code: 'rows-break-check',
    subject: `constraint ${check.check} of table ${table} in database ${database}`,
    message: `${manyRows(rows)} of ${table} do not keep to it: a restore brings it back as NOT VALID`,
    hint: `Correct or delete the rows that this finds, or drop the constraint: SELECT * FROM ${from};`,
    affects: [table],
  }
}
