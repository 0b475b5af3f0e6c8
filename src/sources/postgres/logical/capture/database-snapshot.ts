import type { Clock } from '../../../../base/clock.ts'
import { AppError } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  describeConnection,
  openSession,
  postgresError,
  quoteName,
  type Session,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { ManifestTable } from '../../../../model/manifest.ts'
import { bytesOf, inBytes, isOfBytes, nameOfBytes } from '../names-of-bytes.ts'
import { readSearchPath } from '../search-path.ts'
import { displayName, selector, type TableFilter, type TableName } from '../tables/table-pattern.ts'
import { findBrokenChecks } from './broken-checks.ts'
import { budget, findBrokenKeys } from './broken-keys.ts'
import { recordedRows } from './count-table.ts'
import type { LockRoom } from './lock-room.ts'
import { findPathFunctions } from './path-functions.ts'
import { beginTry, tryQuery } from './savepoint.ts'
import { type ColumnsByTable, listColumns } from './table-columns.ts'

export interface DatabaseTable extends TableName {
  readonly oid: string
  /** Heap and TOAST, without indexes; 0 where nobody measured it. */
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
  readonly searchPath: string
}

export interface SnapshotRequest {
  readonly settings: ConnectionSettings
  readonly database: string
  readonly filter: TableFilter
  readonly lockTimeoutSeconds: number
  readonly lockRoom: LockRoom
  readonly clock: Clock
  readonly signal: AbortSignal
}

const ATTEMPTS = 3
const UNDEFINED_TABLE = '42P01'
/** The server's table of locks is full. */
const OUT_OF_MEMORY = '53200'

/**
 * One database held still: a read-only transaction whose snapshot other sessions share (`pg_dump --snapshot`), and a
 * lock on each table that keeps its rows from being truncated and its shape from being changed. The locks come first
 * and the snapshot after, so that no TRUNCATE can slip in between: it is not visible by snapshot.
 *
 * Nothing that is asked in this session may end the transaction, or pg_dump finds the snapshot gone: what can fail is
 * asked within a savepoint, which also gives back the locks that it took. Nor may it run functions of the user's, which
 * planning a query does: rows are counted as the dump comes by.
 *
 * @see https://www.postgresql.org/docs/current/mvcc-caveats.html
 */
export class DatabaseSnapshot {
  readonly session: Session
  readonly id: string
  readonly capturedAt: Date
  readonly facts: DatabaseFacts
  readonly tables: readonly DatabaseTable[]
  /** What could not be done beside the dump. */
  readonly findings: Finding[]
  readonly #columns: ColumnsByTable

  private constructor(
    session: Session,
    taken: { id: string; capturedAt: Date; facts: DatabaseFacts; tables: DatabaseTable[] },
    columns: ColumnsByTable,
    findings: Finding[],
  ) {
    this.session = session
    this.id = taken.id
    this.capturedAt = taken.capturedAt
    this.facts = taken.facts
    this.tables = taken.tables
    this.findings = findings
    this.#columns = columns
  }

  static async take(request: SnapshotRequest): Promise<DatabaseSnapshot> {
    const { settings, database, signal } = request
    const session = await openSession(settings, { database, signal })
    try {
      // What is asked of a table whose row security hides rows from us must fail, not be short.
      await session.query(`SET row_security = off; SET lock_timeout = '${request.lockTimeoutSeconds}s'`)
      const locked = await beginLocked(session, request)
      const [row] = await session.query<{ id: string }>('SELECT pg_export_snapshot() AS id')
      const capturedAt = request.clock.now()
      await beginTry(session)
      const facts = await readFacts(session)
      const tables = await measureTables(session, await listTables(session, request.filter))
      const columns = await tryQuery(session, () => listColumns(session))
      const findings = locked ? [] : [tablesUnlocked(session)]
      const taken = { id: row?.id ?? '', capturedAt, facts, tables }
      return new DatabaseSnapshot(session, taken, columns instanceof AppError ? new Map() : columns, findings)
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** What a restore will stumble on is told today, when the function can still be mended. */
  async lookForFunctions(): Promise<void> {
    const { session, facts } = this
    const found = await tryQuery(session, () => findPathFunctions(session, facts.searchPath))
    if (!(found instanceof AppError)) this.findings.push(...found)
  }

  /** What a restore can't make again is told today, when the rows can still be mended. */
  async lookForBrokenRows(clock: Clock): Promise<void> {
    const captured = new Set(this.tables.map(displayName))
    const isCaptured = (table: TableName): boolean => captured.has(displayName(table))
    const leftMs = budget(this.facts.sizeBytes, () => clock.monotonicMs())
    this.findings.push(...(await findBrokenKeys(this.session, isCaptured, leftMs)))
    this.findings.push(...(await findBrokenChecks(this.session, isCaptured, leftMs)))
  }

  /** Each with its columns; of what was not dumped, its rows are what the server reckons with. */
  async describeTables(dumped: ReadonlyMap<string, number>): Promise<ManifestTable[]> {
    const tables = this.tables.filter(table => !table.partitioned).map(displayName)
    const recorded = tables.every(name => dumped.has(name))
      ? new Map<string, number>()
      : await tryQuery(this.session, () => recordedRows(this.session))
    return tables.map(name => {
      const columns = this.#columns.get(name) ?? []
      const rows = dumped.get(name)
      if (rows !== undefined) return { name, rows, columns }
      return { name, rows: recorded instanceof AppError ? 0 : (recorded.get(name) ?? 0), estimated: true, columns }
    })
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

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'

/** Whether the tables are locked: where the server has no room for our locks beside pg_dump's, pg_dump's must do. */
async function beginLocked(session: Session, request: SnapshotRequest): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const tables = await listTables(session, request.filter)
    const fits = await request.lockRoom.take(session, tables.length)
    await session.query(BEGIN)
    if (!fits) return false
    try {
      if (tables.length > 0) await session.query(lockStatement(tables))
      return true
    } catch (error) {
      const state = error instanceof AppError ? error.context['sqlState'] : undefined
      if (state !== OUT_OF_MEMORY && (state !== UNDEFINED_TABLE || attempt === ATTEMPTS)) throw error
      await session.query('ROLLBACK')
      if (state !== OUT_OF_MEMORY) continue
      await session.query(BEGIN)
      return false
    }
  }
}

function lockStatement(tables: readonly DatabaseTable[]): string {
  if (!tables.some(isOfBytes)) {
    const names = tables.map(table => quoteName(table.schema, table.name))
    return `LOCK TABLE ONLY ${names.join(', ONLY ')} IN ACCESS SHARE MODE`
  }
  return inBytes(`
    FOR each IN SELECT unnest('{${tables.map(table => table.oid).join(',')}}'::oid[])::regclass::text LOOP
      EXECUTE 'LOCK TABLE ONLY ' || each || ' IN ACCESS SHARE MODE';
    END LOOP;`)
}

/** The tables that pg_dump will take: the user's own, permanent ones. Only the catalog is asked: nobody is waited for. */
export async function listTables(session: Session, filter: TableFilter): Promise<DatabaseTable[]> {
  const rows = await session.query<{ schema: string; name: string; kind: string; oid: string }>(`
    SELECT ${bytesOf('n.nspname')} AS schema, ${bytesOf('c.relname')} AS name, c.relkind AS kind, c.oid::text AS oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname`)
  return rows
    .map(row => ({
      schema: nameOfBytes(row.schema),
      name: nameOfBytes(row.name),
      oid: row.oid,
      partitioned: row.kind === 'p',
      sizeBytes: 0,
    }))
    .filter(selector(filter))
}

/** To measure a table takes a lock on it, for a moment. */
async function measureTables(session: Session, tables: readonly DatabaseTable[]): Promise<DatabaseTable[]> {
  const rows = await tryQuery(session, () =>
    session.query<{ size: string | null }>(
      `SELECT pg_table_size(c.oid) AS size FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(schema, name, at)
         LEFT JOIN pg_namespace n ON n.nspname = t.schema
         LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.name ORDER BY t.at`,
      [tables.map(table => table.schema), tables.map(table => table.name)],
    ),
  )
  // How large they are only decides which get an archive of their own.
  if (rows instanceof AppError) return [...tables]
  return tables.map((table, at) => ({ ...table, sizeBytes: Number(rows[at]?.size ?? 0) }))
}

function tablesUnlocked(session: Session): Finding {
  return {
    severity: 'warning',
    code: 'tables-unlocked',
    subject: describeConnection(session.settings, session.database),
    message:
      'the server has too few locks to hold all tables for the backup: one that is truncated meanwhile comes out empty',
    hint: 'Raise max_locks_per_transaction on the server: as many as there are tables, divided by max_connections.',
  }
}

async function readFacts(session: Session): Promise<DatabaseFacts> {
  const [row] = await session.query<Omit<DatabaseFacts, 'name' | 'extensions' | 'sizeBytes'> & { size: string }>(`
    SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
      d.datcollate AS collation, d.datctype AS "characterType", pg_database_size(d.oid) AS size,
      (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS "logPosition"
    FROM pg_database d WHERE d.datname = current_database()`)
  if (!row) throw new AppError('failed', `database ${session.database} does not know itself`)
  const searchPath = await readSearchPath(session)
  const extensions = await session.query<{ name: string; version: string }>(
    `SELECT extname AS name, extversion AS version FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`,
  )
  const { size, ...facts } = row
  // Names of databases are bytes to the server: seen from a database of another encoding they read wrong.
  return { ...facts, name: session.database, sizeBytes: Number(size), extensions, searchPath }
}
