import { isAppError } from '../../../../base/errors.ts'
import { quoteName, type Session } from '../../../../clients/postgres/index.ts'
import type { ManifestTable } from '../../../../model/manifest.ts'
import { countTable } from '../capture/count-table.ts'
import { listColumns } from '../capture/table-columns.ts'
import { displayName, type TableName } from '../tables/table-pattern.ts'

/** Up to this size counting takes a moment; beyond it the planner's estimate must do. */
export const COUNTED_BYTES = 64 * 1024 * 1024
/** Nobody is waited for: a table that a migration holds is estimated. */
export const LOCK_TIMEOUT = '100ms'

interface SurveyedTable extends TableName {
  readonly oid: number
  readonly recordedRows: number
}

/** Only the catalog is asked: to measure a table takes a lock on it. */
const TABLES = `
SELECT n.nspname AS schema, c.relname AS name, c.oid::int8::float8 AS oid, greatest(c.reltuples, 0)::float8 AS "recordedRows"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2`

export async function listSurveyed(session: Session): Promise<SurveyedTable[]> {
  return await session.query<SurveyedTable & Record<string, unknown>>(TABLES)
}

/** The tables of a database that is in use, with their columns and rows. */
export async function surveyTables(session: Session): Promise<ManifestTable[]> {
  await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SET row_security = off`)
  const columns = await listColumns(session)
  const found: ManifestTable[] = []
  for (const table of await listSurveyed(session)) {
    const name = displayName(table)
    found.push({ name, ...(await rowsOf(session, table)), columns: columns.get(name) ?? [] })
  }
  return found
}

async function rowsOf(session: Session, table: SurveyedTable): Promise<Pick<ManifestTable, 'rows' | 'estimated'>> {
  try {
    const [row] = await session.query<{ size: string }>('SELECT pg_relation_size($1::oid) AS size', [table.oid])
    if (Number(row?.size) <= COUNTED_BYTES)
      return { rows: await countTable(session, { schema: table.schema, name: table.name }) }
    return { rows: await estimate(session, table), estimated: true }
  } catch (error) {
    // Not ours to read, hidden by row security, or locked: only its catalog entry speaks.
    if (!isAppError(error) || isAppError(error, 'interrupted') || session.broken) throw error
    return { rows: Math.round(table.recordedRows), estimated: true }
  }
}

/** What the planner reckons with: rows at the last ANALYZE, scaled to the size of now. */
async function estimate(session: Session, table: TableName): Promise<number> {
  const [row] = await session.query<{ 'QUERY PLAN': ReadonlyArray<{ Plan: { 'Plan Rows': number } }> }>(
    `EXPLAIN (FORMAT JSON) SELECT FROM ONLY ${quoteName(table.schema, table.name)}`,
  )
  return row?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0
}
