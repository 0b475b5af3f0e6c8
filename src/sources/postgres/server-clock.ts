import { type ConnectionSettings, withSession } from '../../clients/postgres/index.ts'

/** The server's own time. */
export async function readServerClock(settings: ConnectionSettings, signal: AbortSignal): Promise<Date> {
  return await withSession(settings, { signal }, async session => {
    const [row] = await session.query<{ ms: string }>(
      `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms`,
    )
    return new Date(Number(row?.ms))
  })
}
