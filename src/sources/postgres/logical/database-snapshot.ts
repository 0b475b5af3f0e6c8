import type { Clock } from '../../../base/clock.ts'
import { AppError } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  openSession,
  postgresError,
  quoteName,
  type Session,
} from '../../../clients/postgres/index.ts'
import type { ManifestTable } from '../../../model/manifest.ts'
import { type ColumnsByTable, listColumns } from './table-columns.ts'
import { displayName, selects, type TableFilter, type TableName } from './table-pattern.ts'

export interface DatabaseTable extends TableName {
  /** Heap and TOAST, without indexes. */
  readonly sizeBytes: number
  /** A partitioned table holds no rows itself. */
  readonly partitioned: boolean
}

export interface DatabaseFacts {
  readonly name: string
  readonly owner: string
  readonly encoding: string
  readonly collation: string
  readonly characterType: string
  readonly sizeBytes: number
  readonly logPosition: string
  readonly extensions: ReadonlyArray<{ readonly name: string; readonly version: string }>
}

export interface SnapshotRequest {
  readonly settings: ConnectionSettings
  readonly database: string
  readonly filter: TableFilter
  readonly lockTimeoutSeconds: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

const ATTEMPTS = 3
const UNDEFINED_TABLE = '42P01'

/**
 * One database held still: a read-only transaction whose snapshot other sessions share (`pg_dump --snapshot`), and a
 * lock on each table that keeps its rows from being truncated and its shape from being changed. The locks come first
 * and the snapshot after, so that no TRUNCATE can slip in between: it is not visible by snapshot.
 *
 * @see https://www.postgresql.org/docs/current/mvcc-caveats.html
 */
export class DatabaseSnapshot {
  readonly session: Session
  readonly id: string
  readonly capturedAt: Date
  readonly facts: DatabaseFacts
  readonly tables: readonly DatabaseTable[]
  readonly #columns: ColumnsByTable

  private constructor(
    session: Session,
    taken: { id: string; capturedAt: Date; facts: DatabaseFacts; tables: DatabaseTable[] },
    columns: ColumnsByTable,
  ) {
    this.session = session
    this.id = taken.id
    this.capturedAt = taken.capturedAt
    this.facts = taken.facts
    this.tables = taken.tables
    this.#columns = columns
  }

  static async take(request: SnapshotRequest): Promise<DatabaseSnapshot> {
    const { settings, database, signal } = request
    const session = await openSession(settings, { database, signal })
    try {
      // A count over a table whose row security hides rows from us must fail, not be short.
      await session.query('SET row_security = off')
      await beginLocked(session, request)
      const [row] = await session.query<{ id: string }>('SELECT pg_export_snapshot() AS id')
      const capturedAt = request.clock.now()
      const facts = await readFacts(session)
      const tables = await listTables(session, request.filter)
      const columns = await listColumns(session)
      return new DatabaseSnapshot(session, { id: row?.id ?? '', capturedAt, facts, tables }, columns)
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** Exact, as of the snapshot, each with its columns. */
  async countRows(): Promise<ManifestTable[]> {
    const counted: ManifestTable[] = []
    for (const table of this.tables) {
      if (table.partitioned) continue
      const rows = await countTable(this.session, table)
      const name = displayName(table)
      counted.push({ name, rows, columns: this.#columns.get(name) ?? [] })
    }
    return counted
  }

  /** Throws when the session that holds the snapshot was lost: what was read with it may be anything. */
  async requireAlive(): Promise<void> {
    this.throwIfLost()
    await this.session.query('SELECT 1')
  }

  throwIfLost(): void {
    const { broken, settings, database } = this.session
    if (broken) throw postgresError(broken, settings, `read ${database}`, database)
  }

  /** Calls back when the session is lost, until the returned function is called. */
  onLost(call: () => void): () => void {
    this.session.client.once('error', call)
    return () => void this.session.client.removeListener('error', call)
  }

  async close(): Promise<void> {
    await this.session.close()
  }
}

export async function countTable(session: Session, table: TableName): Promise<number> {
  const [row] = await session.query<{ n: string }>(
    `SELECT count(*) AS n FROM ONLY ${quoteName(table.schema, table.name)}`,
  )
  return Number(row?.n ?? 0)
}

async function beginLocked(session: Session, request: SnapshotRequest): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const tables = await listTables(session, request.filter)
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    try {
      await session.query(`SET LOCAL lock_timeout = '${request.lockTimeoutSeconds}s'`)
      if (tables.length > 0) {
        const names = tables.map(table => quoteName(table.schema, table.name))
        await session.query(`LOCK TABLE ONLY ${names.join(', ONLY ')} IN ACCESS SHARE MODE`)
      }
      return
    } catch (error) {
      const vanished = error instanceof AppError && error.context['sqlState'] === UNDEFINED_TABLE
      if (!vanished || attempt === ATTEMPTS) throw error
      await session.query('ROLLBACK')
    }
  }
}

/** The tables that pg_dump will take: the user's own, permanent ones. */
export async function listTables(session: Session, filter: TableFilter): Promise<DatabaseTable[]> {
  const rows = await session.query<{ schema: string; name: string; kind: string; size: string | null }>(`
    SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, pg_table_size(c.oid) AS size
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2`)
  return rows
    .map(row => ({
      schema: row.schema,
      name: row.name,
      partitioned: row.kind === 'p',
      sizeBytes: Number(row.size ?? 0),
    }))
    .filter(table => selects(filter, table))
}

async function readFacts(session: Session): Promise<DatabaseFacts> {
  const [row] = await session.query<Omit<DatabaseFacts, 'name' | 'extensions' | 'sizeBytes'> & { size: string }>(`
    SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
      d.datcollate AS collation, d.datctype AS "characterType", pg_database_size(d.oid) AS size,
      (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS "logPosition"
    FROM pg_database d WHERE d.datname = current_database()`)
  if (!row) throw new AppError('failed', `database ${session.database} does not know itself`)
  const extensions = await session.query<{ name: string; version: string }>(
    `SELECT extname AS name, extversion AS version FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`,
  )
  const { size, ...facts } = row
  // Names of databases are bytes to the server: seen from a database of another encoding they read wrong.
  return { ...facts, name: session.database, sizeBytes: Number(size), extensions }
}
