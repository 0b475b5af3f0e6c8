import { formatDuration } from '../../base/durations.ts'
import { messageOf, throwIfAborted } from '../../base/errors.ts'
import { type ConnectionSettings, describeConnection, type Session, withSession } from '../../clients/postgres/index.ts'
import type { CopyAnswer, CopyQuestion, RestoredCopy } from '../source.ts'

export interface RestoredDatabases {
  readonly settings: ConnectionSettings
  /** What each is called now, by the name it was captured under. */
  readonly names: ReadonlyMap<string, string>
  /** By that name: the one that is meant where none is named. */
  readonly defaultDatabase: string
  readonly signal: AbortSignal
}

/** Restored databases of a server that answer to SQL. */
export function copyOfDatabases(restored: RestoredDatabases): RestoredCopy {
  const { settings, names, defaultDatabase } = restored
  const shown = names.get(defaultDatabase) ?? [...names.values()][0]
  return {
    server: {
      url: describeConnection(settings, shown),
      password: settings.password,
      databases: [...names.keys()],
      defaultDatabase,
    },
    query: question => ask(restored, question),
  }
}

async function ask(restored: RestoredDatabases, question: CopyQuestion): Promise<CopyAnswer> {
  const { settings, names, defaultDatabase, signal } = restored
  const wanted = question.database ?? defaultDatabase
  const database = names.get(wanted)
  if (database === undefined) return { problem: `there is no database ${wanted}` }
  return await withSession(settings, { database, signal }, session => askIn(session, question, signal))
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: query_canceled, here by its time limit. */
const CANCELED = '57014'

/**
 * A cursor, so that a statement that gives millions of rows costs as many as are wanted, and in a transaction that can't write. The search
 * path is the database's own: people write their statements for it.
 */
async function askIn(
  session: Session,
  { sql, limit, timeoutMs }: CopyQuestion,
  signal: AbortSignal,
): Promise<CopyAnswer> {
  const { client } = session
  try {
    await client.query(`RESET search_path; SET statement_timeout = ${Math.ceil(timeoutMs)}; BEGIN READ ONLY`)
    // With the extended protocol the server takes one statement and no more.
    const declare = { text: `DECLARE asked NO SCROLL CURSOR FOR ${withoutEnd(sql)}`, queryMode: 'extended' }
    await client.query(declare)
    const { rows, fields } = await client.query<(string | null)[]>({
      text: `FETCH ${limit + 1} FROM asked`,
      rowMode: 'array',
      types: { getTypeParser: parserOf },
    })
    return { columns: fields.map(({ name }) => name), rows: rows.slice(0, limit), more: rows.length > limit }
  } catch (error) {
    throwIfAborted(signal)
    const isLate = error instanceof Error && 'code' in error && error.code === CANCELED
    return { problem: isLate ? `no answer within ${formatDuration(timeoutMs)}` : messageOf(error) }
  }
}

const withoutEnd = (sql: string): string => sql.replace(/[;\s]+$/, '')

// https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat: bool
const BOOLEAN = 16

/** Values as the server writes them, but for booleans, which it writes as `t` and `f`. */
const parserOf = (type: number) => (text: string) => (type === BOOLEAN ? String(text === 't') : text)
