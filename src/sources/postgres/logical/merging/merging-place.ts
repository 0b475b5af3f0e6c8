import { pipeline } from 'node:stream/promises'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { isAppError, throwIfAborted } from '../../../../base/errors.ts'
import { postgresError, quoteIdentifier, quoteLiteral, type Session } from '../../../../clients/postgres/index.ts'
import type { TableDescription } from '../../../../model/table-description.ts'
import type { Adding, Dialect, MergingPlace, Staging } from '../../../source.ts'
import { overOwnTables, TRIGGERS } from './describe-tables.ts'

const dialect: Dialect = {
  quote: quoteIdentifier,
  work: name => `pg_temp.${name}`,
  rowNumber: 'bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  overriding: 'OVERRIDING SYSTEM VALUE',
  // As text: 1.0 equals 1.00, and json has no equality at all.
  differs: (a, b) => `${a}::text IS DISTINCT FROM ${b}::text`,
  same: (a, b) => `${a} IS NOT DISTINCT FROM ${b}`,
  text: value => `${value}::text`,
  index: (work, name, columns) => `CREATE INDEX ${name} ON pg_temp.${work} (${columns.join(', ')})`,
  analyze: work => `ANALYZE pg_temp.${work}`,
}

export interface PostgresMergingParts {
  readonly target: string
  readonly live: Session
  /** To the database that the backup was restored into. */
  readonly backup: Session
  readonly tables: MergingPlace['tables']
  readonly lockTimeoutSeconds: number
  readonly signal: AbortSignal
  /** Closes the sessions and drops the backup's database. */
  readonly release: () => Promise<void>
}

export class PostgresMergingPlace implements MergingPlace {
  readonly target: string
  readonly tables: MergingPlace['tables']
  readonly dialect = dialect
  readonly readableWhileHeld = true
  readonly #live: Session
  readonly #backup: Session
  readonly #lockTimeoutSeconds: number
  readonly #signal: AbortSignal
  readonly #release: () => Promise<void>
  /** Statements that undo what was altered for the time of the transaction. */
  #mending: string[] = []
  #closed = false

  constructor(parts: PostgresMergingParts) {
    this.target = parts.target
    this.tables = parts.tables
    this.#live = parts.live
    this.#backup = parts.backup
    this.#lockTimeoutSeconds = parts.lockTimeoutSeconds
    this.#signal = parts.signal
    this.#release = parts.release
  }

  selector(table: TableDescription): string {
    return table.sql
  }

  async countBackupRows(table: TableDescription): Promise<number> {
    const [row] = await this.#backup.query<{ n: string }>(`SELECT count(*) AS n FROM ${table.scan}`)
    return Number(row?.n ?? 0)
  }

  /** In COPY's text form, from one connection to the other: every value as the server itself writes and reads it. */
  async stage({ from, into, columns, orderBy }: Staging): Promise<void> {
    const values = columns.map(column => quoteIdentifier(column.from)).join(', ')
    const order = orderBy.map(quoteIdentifier).join(', ')
    const names = columns.map(column => column.into).join(', ')
    const reading = copyTo(`COPY (SELECT ${values} FROM ${from.scan} ORDER BY ${order}) TO STDOUT`)
    const writing = copyFrom(`COPY ${into} (${names}) FROM STDIN`)
    try {
      await pipeline(this.#backup.client.query(reading), this.#live.client.query(writing))
    } catch (error) {
      throw this.#wrap(error, `read table ${from.name}`)
    }
  }

  async change(sql: string): Promise<number> {
    try {
      const result = await this.#live.client.query(sql)
      return result.rowCount ?? 0
    } catch (error) {
      throw this.#wrap(error, 'merge')
    }
  }

  async rows(sql: string): Promise<ReadonlyArray<ReadonlyArray<string | null>>> {
    try {
      const { rows } = await this.#live.client.query<Array<string | number | boolean | null>>({
        text: sql,
        rowMode: 'array',
      })
      return rows.map(row => row.map(value => (value === null ? null : String(value))))
    } catch (error) {
      throw this.#wrap(error, 'merge')
    }
  }

  /** Writers wait, readers do not. In one order, so that two merges do not lock each other. */
  async begin(tables: readonly TableDescription[]): Promise<string | undefined> {
    await this.change('BEGIN ISOLATION LEVEL READ COMMITTED')
    await this.change(WITH_TRIGGERS)
    await this.change(`SET LOCAL lock_timeout = '${this.#lockTimeoutSeconds}s'`)
    const names = tables.map(table => table.sql).toSorted()
    if (names.length > 0) await this.change(`LOCK TABLE ${names.join(', ')} IN SHARE ROW EXCLUSIVE MODE`)
    const [row] = await this.rows('SELECT pg_current_xact_id()')
    return row?.[0] ?? undefined
  }

  async silenceTriggers(table: TableDescription): Promise<void> {
    const triggers = await this.rows(
      `SELECT x.on, x.what || ' ' || quote_ident(x.name), x.enabled FROM (${overOwnTables(TRIGGERS)}) AS x
       WHERE x.table = ${quoteLiteral(table.sql)}::regclass::oid::text`,
    )
    for (const [on, name, enabled] of triggers) {
      const how = enabled === 'A' ? 'ENABLE ALWAYS' : enabled === 'R' ? 'ENABLE REPLICA' : 'ENABLE'
      await this.change(`ALTER TABLE ${on} DISABLE ${name}`)
      this.#mending.push(`ALTER TABLE ${on} ${how} ${name}`)
    }
  }

  /** Those that can't be deferred are made so until the end. It needs the tables' owner, not a superuser. */
  async deferReferences(tables: readonly TableDescription[]): Promise<void> {
    await this.change('SET CONSTRAINTS ALL DEFERRED')
    const oids = tables.map(table => `${quoteLiteral(table.sql)}::regclass`).join(', ')
    const keys = await this.rows(
      `SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
       WHERE contype = 'f' AND conparentid = 0 AND NOT condeferrable AND conrelid IN (${oids}) AND confrelid IN (${oids})`,
    )
    for (const [on, name] of keys) {
      await this.change(`ALTER TABLE ${on} ALTER CONSTRAINT ${name} DEFERRABLE INITIALLY DEFERRED`)
      this.#mending.push(`ALTER TABLE ${on} ALTER CONSTRAINT ${name} NOT DEFERRABLE`)
    }
  }

  /**
   * `ON CONFLICT` knows no constraints that can be deferred. A table with one is filled at once, and where that breaks a
   * key, row by row, each in a transaction of its own within ours.
   */
  async addWhatFits({ table, insert, work, condition, rows }: Adding): Promise<boolean> {
    const all = `${insert} WHERE ${condition} ORDER BY b.n`
    const deferrable = await this.rows(deferrableKeysOf(table))
    if (deferrable.length === 0) return (await this.change(`${all} ON CONFLICT DO NOTHING`)) === rows
    await this.change(`SET CONSTRAINTS ${deferrable.flat().join(', ')} IMMEDIATE`)
    await this.change('SAVEPOINT lifeboat_add')
    try {
      await this.change(all)
      await this.change('RELEASE SAVEPOINT lifeboat_add')
      return true
    } catch (error) {
      if (!isAppError(error) || !BROKEN_KEY.has(String(error.context['sqlState']))) throw error
      await this.change('ROLLBACK TO SAVEPOINT lifeboat_add')
    }
    const body = `DECLARE one bigint; BEGIN
      FOR one IN SELECT b.n FROM ${work} AS b WHERE ${condition} ORDER BY b.n LOOP
        BEGIN ${insert} WHERE b.n = one; EXCEPTION WHEN unique_violation OR exclusion_violation THEN NULL; END;
      END LOOP; END`
    await this.change(`DO ${quoteLiteral(body)}`)
    return false
  }

  async highestNumber(table: TableDescription, column: string): Promise<bigint> {
    const rows = await this.rows(
      `SELECT max(last_value) FROM (${sequencesOf(table)}) AS q
       JOIN pg_sequences AS s ON format('%I.%I', s.schemaname, s.sequencename) = q.name
       WHERE q.column = ${quoteLiteral(column)}`,
    )
    return BigInt(rows[0]?.[0] ?? 0)
  }

  async checkReferences(): Promise<void> {
    await this.change('SET CONSTRAINTS ALL IMMEDIATE')
    for (const sql of this.#mending.toReversed()) await this.change(sql)
    this.#mending = []
  }

  /** Not undone by a rollback, so done at the very end. A number that is skipped harms nobody. */
  async advanceNumbers(tables: readonly TableDescription[]): Promise<void> {
    for (const table of tables) {
      const sequences = await this.rows(`SELECT name, q.column FROM (${sequencesOf(table)}) AS q`)
      for (const [name, column] of sequences) {
        await this.rows(
          `SELECT setval(${quoteLiteral(name ?? '')}::regclass, m.last) FROM ${name} AS s,
             (SELECT max(${quoteIdentifier(column ?? '')})::bigint AS last FROM ${table.sql}) AS m,
             pg_sequence AS d
           WHERE d.seqrelid = ${quoteLiteral(name ?? '')}::regclass AND d.seqincrement > 0
             AND m.last >= s.last_value AND m.last BETWEEN d.seqmin AND d.seqmax`,
        )
      }
    }
  }

  async commit(): Promise<void> {
    await this.change('COMMIT')
  }

  async rollback(): Promise<void> {
    this.#mending = []
    await this.change('ROLLBACK')
  }

  #wrap(error: unknown, doing: string): unknown {
    throwIfAborted(this.#signal)
    return postgresError(error, this.#live.settings, doing)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#release()
  }
}

/**
 * `ALTER ROLE` may have set it for a replication of the application's own: foreign keys would not be checked, and its
 * triggers would not fire. It needs no right where there is nothing to set.
 */
const WITH_TRIGGERS = `SELECT set_config('session_replication_role', 'origin', true)
  WHERE current_setting('session_replication_role') = 'replica'`

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: unique_violation, exclusion_violation. */
const BROKEN_KEY: ReadonlySet<string> = new Set(['23505', '23P01'])

/** Unique and exclusion constraints that can be deferred, of the table and of its partitions. */
function deferrableKeysOf(table: TableDescription): string {
  const oid = `${quoteLiteral(table.sql)}::regclass`
  return `
    SELECT format('%I.%I', n.nspname, c.conname) FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE c.contype IN ('p', 'u', 'x') AND c.condeferrable
      AND (c.conrelid = ${oid} OR c.conrelid IN (SELECT relid FROM pg_partition_tree(${oid})))`
}

/** Sequences that a table's columns take their numbers from: owned by them, of identity columns, or named in a default. */
function sequencesOf(table: TableDescription): string {
  const oid = `${quoteLiteral(table.sql)}::regclass`
  return `
    SELECT format('%I.%I', n.nspname, s.relname) AS name, a.attname::text AS column
    FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace, pg_attribute a
    WHERE s.relkind = 'S' AND a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped AND (
      EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid
        AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))
      OR EXISTS (SELECT FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
        WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid))`
}
