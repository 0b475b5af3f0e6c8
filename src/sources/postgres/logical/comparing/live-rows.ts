import { to as copyTo } from 'pg-copy-streams'
import { isAppError, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  postgresError,
  quoteIdentifier,
  quoteName,
  type Session,
  serverWords,
} from '../../../../clients/postgres/index.ts'
import type { PostgresOptions } from '../../options.ts'
import type { TablePiece } from '../archive/archive-tables.ts'
import { bytesOf, nameOfBytes } from '../names-of-bytes.ts'
import { displayName, selector, type TableName } from '../tables/table-pattern.ts'
import type { SideRows, SideTable } from './side-rows.ts'

/**
 * Tables that hold rows of their own, as pg_dump takes them: partitions, not what they are part of, and nothing of extensions.
 * Computed columns are in no archive.
 */
const TABLES = `
  SELECT ${bytesOf('n.nspname')} AS schema, ${bytesOf('c.relname')} AS name,
    array(SELECT ${bytesOf('a.attname')} FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
      AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
    array(SELECT ${bytesOf('a.attname')} FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
      AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary) AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY 1, 2`

interface Found {
  readonly schema: string
  readonly name: string
  readonly columns: readonly string[]
  readonly key: readonly string[]
}

interface LiveTable extends SideTable, Pick<TableName, 'schema'> {
  readonly plainName: string
}

export interface LiveRowsRequest {
  readonly settings: ConnectionSettings
  readonly database: string
  /** What its backups leave out is not compared either. */
  readonly filter: PostgresOptions
  readonly signal: AbortSignal
}

/** A living database in one read-only transaction. Takes the locks that reading takes, and waits for them no longer than a backup. */
export async function openLiveRows(request: LiveRowsRequest): Promise<SideRows> {
  const { settings, database, filter, signal } = request
  const session = await openSession(settings, { database, signal })
  try {
    const isTaken = selector(filter)
    await session.query(likePgDump(filter.lockTimeoutSeconds))
    const rows = await session.query<Found & Record<string, unknown>>(TABLES)
    const all = rows.map(tableOf).filter(({ schema, plainName }) => isTaken({ schema, name: plainName }))
    const tables = new Map(all.map(table => [table.name, table]))
    return {
      tables,
      read: (names, onProblem) =>
        readAll(
          session,
          signal,
          names.flatMap(name => tables.get(name) ?? []),
          onProblem,
        ),
      close: () => session.close(),
    }
  } catch (error) {
    await session.close()
    throw error
  }
}

/** Values are written as in the archives: what pg_dump sets is set, and what it leaves to the role is left to it. */
function likePgDump(lockTimeoutSeconds: number): string {
  return `RESET bytea_output; SET extra_float_digits = 3; SET row_security = off;
    SET lock_timeout = '${lockTimeoutSeconds}s'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
}

function tableOf(found: Found): LiveTable {
  const [schema, plainName] = [nameOfBytes(found.schema), nameOfBytes(found.name)]
  return {
    schema,
    plainName,
    name: displayName({ schema, name: plainName }),
    columns: found.columns.map(nameOfBytes),
    key: found.key.map(nameOfBytes),
    rows: undefined,
    problem: undefined,
  }
}

async function* readAll(
  session: Session,
  signal: AbortSignal,
  tables: readonly LiveTable[],
  onProblem: (table: string, problem: string) => void,
): AsyncGenerator<TablePiece> {
  for (const table of tables) {
    await session.query('SAVEPOINT lifeboat_read')
    try {
      for await (const bytes of readTable(session, signal, table)) yield { table: table.name, bytes }
      await session.query('RELEASE SAVEPOINT lifeboat_read')
    } catch (error) {
      if (!isAppError(error) || isAppError(error, 'interrupted') || session.broken) throw error
      // Not ours to read, or hidden by row security: the other tables can be told all the same.
      await session.query('ROLLBACK TO SAVEPOINT lifeboat_read')
      onProblem(table.name, serverWords(error))
    }
  }
}

/** Without a query: planning one runs functions that the application put into indexes. */
async function* readTable(
  session: Session,
  signal: AbortSignal,
  { schema, plainName, columns }: LiveTable,
): AsyncGenerator<Buffer> {
  const list = columns.map(quoteIdentifier).join(', ')
  const stream = session.client.query(copyTo(`COPY ${quoteName(schema, plainName)} (${list}) TO STDOUT`))
  try {
    for await (const bytes of stream) yield bytes as Buffer
  } catch (error) {
    throwIfAborted(signal)
    throw postgresError(error, session.settings, `read table ${plainName}`, session.database)
  }
}
