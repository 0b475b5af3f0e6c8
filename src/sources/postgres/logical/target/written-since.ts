import { quoteName, type Session } from '../../../../clients/postgres/index.ts'
import type { Written, WrittenRequest } from '../../../target.ts'
import { keptNameOf } from '../database-names.ts'
import { tablesAmong } from '../tables/drop-created.ts'
import { anyTable, displayName } from '../tables/table-pattern.ts'
import { COUNTED_BYTES, LOCK_TIMEOUT, listSurveyed } from './survey-tables.ts'

/**
 * Rows that transactions after the one of the restore wrote, each counted; and of those that it brought, how many are not
 * as they were. Tables too large to be read in a moment are told from the planner's estimate. Undefined without a trace of
 * that transaction.
 */
export async function writtenSince(
  session: Session,
  name: string,
  request: WrittenRequest,
): Promise<Written[] | undefined> {
  const mark = await markOf(session, name, request)
  if (mark === undefined) return undefined
  await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'; SET row_security = off`)
  const then = rowsThen(name, request)
  const { tables } = request
  const patterns = tables && [...tables.changed, ...tablesAmong(tables.created).map(displayName)]
  const isAsked = patterns && anyTable(patterns)
  const found: Written[] = []
  for (const table of await listSurveyed(session)) {
    if (isAsked?.(table) === false) continue
    const written = await countWritten(session, table, mark, then.get(displayName(table))).catch(() => undefined)
    const shown = { name: displayName(table), ...(written ?? { written: undefined }) }
    if (shown.written !== 0 || (shown.gone ?? 0) > 0) found.push(shown)
  }
  return found
}

/** Of the transaction that changed rows, or that gave the database its name: the kept one got its own in the same. */
async function markOf(session: Session, name: string, { token, keptAs }: WrittenRequest): Promise<string | undefined> {
  if (token !== undefined) return (BigInt(token) % 2n ** 32n).toString()
  const kept = keptNameOf(name, keptAs)
  const [row] = await session.query<{ mark: string }>('SELECT xmin::text AS mark FROM pg_database WHERE datname = $1', [
    kept,
  ])
  return row?.mark
}

function rowsThen(name: string, { brought }: WrittenRequest): ReadonlyMap<string, number> {
  const databases = brought?.database?.databases ?? []
  const database = databases.length === 1 ? databases[0] : databases.find(each => each.name === name)
  return new Map((database?.tables ?? []).map(table => [table.name, table.rows]))
}

interface CountedTable {
  readonly schema: string
  readonly name: string
  readonly oid: number
}

async function countWritten(
  session: Session,
  { schema, name, oid }: CountedTable,
  mark: string,
  then: number | undefined,
): Promise<Pick<Written, 'written' | 'gone'> | undefined> {
  const [size] = await session.query<{ size: string }>('SELECT pg_relation_size($1::oid) AS size', [oid])
  if (Number(size?.size) > COUNTED_BYTES) return undefined
  const [row] = await session.query<{ rows: string; newer: string }>(
    `SELECT count(*) AS rows, count(*) FILTER (WHERE age(xmin) < age($1::text::xid)) AS newer
     FROM ONLY ${quoteName(schema, name)}`,
    [mark],
  )
  const [rows, newer] = [Number(row?.rows ?? 0), Number(row?.newer ?? 0)]
  if (then === undefined) return { written: newer }
  const unchanged = rows - newer
  // Of a transaction that had begun before, but came to its row after.
  const late = Math.max(0, unchanged - then)
  return { written: newer + late, gone: Math.max(0, then - unchanged) }
}
