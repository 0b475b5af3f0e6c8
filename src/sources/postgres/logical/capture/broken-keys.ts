import { AppError } from '../../../../base/errors.ts'
import { quoteIdentifier, quoteName, type Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { displayName, type TableName } from '../tables/table-pattern.ts'
import { tryQuery } from './savepoint.ts'

interface ForeignKey {
  readonly name: string
  readonly schema: string
  readonly table: string
  readonly partitioned: boolean
  readonly columns: readonly string[]
  readonly parentSchema: string
  readonly parent: string
  readonly parentPartitioned: boolean
  readonly parentColumns: readonly string[]
  /** `MATCH FULL`: of its columns all are null, or none. */
  readonly full: boolean
}

/**
 * The planner runs functions of the user's that it finds in indexes, statistics and partition keys, with our rights: such
 * tables are left alone. What is built in leaves no dependency.
 */
export const BARRED = `calling AS (
  SELECT coalesce(i.indrelid, s.stxrelid, d.objid) AS rel FROM pg_depend d
    LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
    LEFT JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
  WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
    AND d.classid IN ('pg_class'::regclass, 'pg_statistic_ext'::regclass)),
barred AS (SELECT rel FROM calling UNION SELECT a.relid FROM calling, pg_partition_ancestors(rel) AS a (relid))`

/** That the server holds to be kept, and that compare by no operator of the user's. */
const KEYS = `WITH ${BARRED}
SELECT k.conname AS name, n.nspname AS schema, c.relname AS table, c.relkind = 'p' AS partitioned,
  pn.nspname AS "parentSchema", p.relname AS parent, p.relkind = 'p' AS "parentPartitioned", k.confmatchtype = 'f' AS full,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (num, at)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at) AS columns,
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (num, at)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at) AS "parentColumns"
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0
  AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oid = ANY (k.conpfeqop) AND o.oprnamespace <> 'pg_catalog'::regnamespace)
  AND NOT EXISTS (SELECT FROM barred WHERE rel IN (k.conrelid, k.confrelid))
ORDER BY 2, 3, 1`

/** Beside the dump, and shorter than it. */
const BUDGET_MS = 2000
const BUDGET_MS_PER_BYTE = 1000 / (200 * 1024 * 1024)
const MOST_ROWS = 1000

/**
 * Rows whose foreign keys lead nowhere, as triggers that were disabled leave them: a restore can't make those keys as they
 * were. In the session of a snapshot, each within a savepoint. What can't be asked in the time is left to a rehearsal
 * (`verify`), which makes each key.
 */
export async function findBrokenKeys(
  session: Session,
  isCaptured: (table: TableName) => boolean,
  leftMs: () => number,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const key of await listCandidates<ForeignKey>(session, KEYS)) {
    const both = [
      { schema: key.schema, name: key.table },
      { schema: key.parentSchema, name: key.parent },
    ]
    if (!both.every(isCaptured)) continue
    if (leftMs() <= 0) break
    const rows = await countBroken(session, orphans(key), leftMs())
    if (rows > 0) findings.push(brokenFinding(session.database, key, rows))
  }
  return findings
}

/** How long may be looked for broken rows of a database of this size, as time that is left. */
export function budget(sizeBytes: number, now: () => number): () => number {
  const until = now() + BUDGET_MS + sizeBytes * BUDGET_MS_PER_BYTE
  return () => Math.floor(until - now())
}

/** Empty where the catalog can't be asked in time. */
export async function listCandidates<Row extends object>(session: Session, query: string): Promise<Row[]> {
  const found = await tryQuery(session, async () => {
    await session.query(`SET LOCAL statement_timeout = ${BUDGET_MS}`)
    return await session.query<Row>(query)
  })
  return found instanceof AppError ? [] : found
}

/** 0 where they can't be counted in time. */
export async function countBroken(session: Session, from: string, leftMs: number): Promise<number> {
  const count = await tryQuery(session, async () => {
    await session.query(
      `SET LOCAL statement_timeout = ${leftMs}; SET LOCAL work_mem = '64MB'; SET LOCAL constraint_exclusion = off`,
    )
    const [row] = await session.query<{ n: string }>(
      `SELECT count(*) AS n FROM (SELECT FROM ${from} LIMIT ${MOST_ROWS}) AS found`,
    )
    return Number(row?.n ?? 0)
  })
  return count instanceof AppError ? 0 : count
}

export function manyRows(rows: number): string {
  return rows === MOST_ROWS ? `${rows} rows or more` : rows === 1 ? '1 row' : `${rows} rows`
}

/** Rows of partitions belong to the table, those of tables that inherit from it do not. */
function orphans(key: ForeignKey): string {
  const child = `${key.partitioned ? '' : 'ONLY '}${quoteName(key.schema, key.table)} AS c`
  const parent = `${key.parentPartitioned ? '' : 'ONLY '}${quoteName(key.parentSchema, key.parent)} AS p`
  const columns = key.columns.map(name => `c.${quoteIdentifier(name)}`)
  const same = columns.map((column, at) => `p.${quoteIdentifier(key.parentColumns[at] ?? '')} = ${column}`)
  const set = columns.map(column => `${column} IS NOT NULL`).join(key.full ? ' OR ' : ' AND ')
  return `${child} WHERE (${set}) AND NOT EXISTS (SELECT FROM ${parent} WHERE ${same.join(' AND ')})`
}

function brokenFinding(database: string, key: ForeignKey, rows: number): Finding {
  const table = displayName({ schema: key.schema, name: key.table })
  return {
    severity: 'warning',
    code: 'rows-break-foreign-key',
    subject: `foreign key ${key.name} of table ${table} in database ${database}`,
    message: `${manyRows(rows)} of ${table} refer to rows of ${displayName({ schema: key.parentSchema, name: key.parent })} that do not exist: a restore brings the key back as NOT VALID`,
    hint: `Correct or delete the rows that this finds: SELECT c.* FROM ${orphans(key)};`,
    affects: [table],
  }
}
