import { isAppError } from '../../../base/errors.ts'
import { quoteName, type Session } from '../../../clients/postgres/index.ts'
import type { ManifestTable } from '../../../model/manifest.ts'
import { countTable, type DatabaseTable, listTables } from './database-snapshot.ts'
import { listColumns } from './table-columns.ts'

/** Up to this size counting takes a moment; beyond it the planner's estimate must do. */
const COUNTED_BYTES = 64 * 1024 * 1024
/** Nobody is waited for: a table that a migration holds is estimated. */
const LOCK_TIMEOUT = '100ms'
const EVERYTHING = { tables: [], excludeTables: [], schemas: [], excludeSchemas: [] }

/** The tables of a database that is in use, with their columns and rows. */
export async function surveyTables(session: Session): Promise<ManifestTable[]> {
  await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SET row_security = off`)
  const columns = await listColumns(session)
  const found: ManifestTable[] = []
  for (const table of await listTables(session, EVERYTHING)) {
    if (table.partitioned) continue
    const name = `${table.schema}.${table.name}`
    found.push({ name, ...(await rowsOf(session, table)), columns: columns.get(name) ?? [] })
  }
  return found
}

async function rowsOf(session: Session, table: DatabaseTable): Promise<Pick<ManifestTable, 'rows' | 'estimated'>> {
  try {
    if (table.sizeBytes <= COUNTED_BYTES) return { rows: await countTable(session, table) }
    return { rows: await estimate(session, table), estimated: true }
  } catch (error) {
    // Not ours to read, hidden by row security, or locked: only its catalog entry speaks.
    if (!isAppError(error) || session.broken) throw error
    return { rows: await recordedRows(session, table), estimated: true }
  }
}

/** What the planner reckons with: rows at the last ANALYZE, scaled to the size of now. */
async function estimate(session: Session, table: DatabaseTable): Promise<number> {
  const [row] = await session.query<{ 'QUERY PLAN': ReadonlyArray<{ Plan: { 'Plan Rows': number } }> }>(
    `EXPLAIN (FORMAT JSON) SELECT FROM ONLY ${quoteName(table.schema, table.name)}`,
  )
  return row?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0
}

async function recordedRows(session: Session, table: DatabaseTable): Promise<number> {
  const [row] = await session.query<{ rows: number }>(
    `SELECT greatest(c.reltuples, 0)::float8 AS rows FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2`,
    [table.schema, table.name],
  )
  return Math.round(row?.rows ?? 0)
}
