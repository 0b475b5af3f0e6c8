import { AppError } from '../../../../base/errors.ts'
import { quoteName, type Session } from '../../../../clients/postgres/index.ts'
import { bytesOf, inBytes, isOfBytes, nameOfBytes } from '../names-of-bytes.ts'
import { setSearchPath } from '../search-path.ts'
import { displayName, type TableName } from '../tables/table-pattern.ts'

interface CountedTable extends TableName {
  /** Of one whose name no statement can hold. */
  readonly oid?: string
}

export async function countTable(session: Session, table: CountedTable): Promise<number> {
  if (table.oid !== undefined && isOfBytes(table)) return await countByOid(session, table.oid)
  const [row] = await session.query<{ n: string }>(
    `SELECT count(*) AS n FROM ONLY ${quoteName(table.schema, table.name)}`,
  )
  return Number(row?.n ?? 0)
}

async function countByOid(session: Session, oid: string): Promise<number> {
  await session.query(
    inBytes(`EXECUTE 'SELECT count(*) FROM ONLY ' || '${oid}'::regclass INTO each;
      PERFORM set_config('lifeboat.rows', each, false);`),
  )
  const [row] = await session.query<{ n: string }>(`SELECT current_setting('lifeboat.rows') AS n`)
  return Number(row?.n ?? 0)
}

/**
 * Outside of a transaction. The planner looks at index expressions, and at the bodies of the functions in them: where a
 * name in those is not found under our own search path, the count is made under the database's.
 */
export async function countAlone(session: Session, table: CountedTable, searchPath: string): Promise<number> {
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

/** What the server reckons with since the last ANALYZE; 0 where it never was. By the names of the manifest. */
export async function recordedRows(session: Session): Promise<Map<string, number>> {
  const rows = await session.query<TableName & { rows: number }>(
    `SELECT ${bytesOf('n.nspname')} AS schema, ${bytesOf('c.relname')} AS name, greatest(c.reltuples, 0)::float8 AS rows
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'`,
  )
  return new Map(
    rows.map(row => [
      displayName({ schema: nameOfBytes(row.schema), name: nameOfBytes(row.name) }),
      Math.round(row.rows),
    ]),
  )
}
