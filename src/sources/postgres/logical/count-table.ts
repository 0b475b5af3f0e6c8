import { AppError } from '../../../base/errors.ts'
import { quoteName, type Session } from '../../../clients/postgres/index.ts'
import { setSearchPath } from './search-path.ts'
import type { TableName } from './table-pattern.ts'

export async function countTable(session: Session, table: TableName): Promise<number> {
  const [row] = await session.query<{ n: string }>(
    `SELECT count(*) AS n FROM ONLY ${quoteName(table.schema, table.name)}`,
  )
  return Number(row?.n ?? 0)
}

/**
 * Outside of a transaction. The planner looks at index expressions, and at the bodies of the functions in them: where a
 * name in those is not found under our own search path, the count is made under the database's.
 */
export async function countAlone(session: Session, table: TableName, searchPath: string): Promise<number> {
  try {
    return await countTable(session, table)
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted' || session.broken) throw error
    await session.query('BEGIN READ ONLY')
    try {
      await setSearchPath(session, searchPath)
      return await countTable(session, table)
    } catch {
      // The first error is the one to tell: the second may only be its echo.
      throw error
    } finally {
      await session.query('ROLLBACK')
    }
  }
}

/** What the server reckons with since the last ANALYZE; 0 where it never was. */
export async function recordedRows(session: Session, { schema, name }: TableName): Promise<number> {
  const [row] = await session.query<{ rows: number }>(
    `SELECT greatest(c.reltuples, 0)::float8 AS rows FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, name],
  )
  return Math.round(row?.rows ?? 0)
}
