import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { MergeRules } from '../../src/model/merge-rules.ts'
import { type MergeRequest, type MergeResult, merge } from '../../src/operations/merge/merge.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import type { SnapshotReader, Source } from '../../src/sources/source.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { drain, makeContext } from './drained-snapshot.ts'
import type { TestCluster } from './postgres-cluster.ts'

type Row = Record<string, unknown>

/** One living database of a kind that can be merged, with what a test does to it by hand. */
export interface MergeFixture {
  readonly source: Source
  exec(sql: string): Promise<void>
  /** Rows in the order that the query gives; integers as strings, so that none is rounded. */
  rows(sql: string): Promise<Row[]>
  backup(): Promise<SnapshotReader>
  /** References that lead nowhere, undeclared ones not counted. */
  violations(): Promise<number>
  /** Everything that a merge must leave as it is when it changes nothing: rows, schema, triggers, sequences. */
  state(): Promise<unknown>
  merge(snapshot: SnapshotReader, rules?: Partial<MergeRules>, more?: Partial<MergeRequest>): Promise<MergeResult>
  close(): Promise<void>
}

export interface MergeEngine {
  readonly kind: 'sqlite' | 'postgres'
  make(dir: string, schema: string): Promise<MergeFixture>
}

export const sqliteEngine: MergeEngine = {
  kind: 'sqlite',
  make: async (dir, schema) => await new SqliteFixture(dir).start(schema),
}

export function postgresEngine(cluster: () => TestCluster): MergeEngine {
  return {
    kind: 'postgres',
    make: async (dir, schema) => await new PostgresFixture(dir, cluster()).start(schema),
  }
}

let serial = 0

abstract class Fixture implements MergeFixture {
  abstract readonly source: Source
  protected readonly dir: string

  constructor(dir: string) {
    this.dir = dir
  }

  abstract exec(sql: string): Promise<void>
  abstract rows(sql: string): Promise<Row[]>
  abstract violations(): Promise<number>
  abstract state(): Promise<unknown>
  abstract close(): Promise<void>

  async start(schema: string): Promise<this> {
    await this.exec(schema)
    return this
  }

  async backup(): Promise<SnapshotReader> {
    const folder = join(this.dir, `snapshot-${++serial}`)
    await mkdir(folder)
    return (await drain(this.source, folder)).reader
  }

  async merge(
    snapshot: SnapshotReader,
    rules: Partial<MergeRules> = {},
    more: Partial<MergeRequest> = {},
  ): Promise<MergeResult> {
    const context = await makeContext(this.dir, more.signal)
    const all = { tables: {}, references: {}, triggers: false, ...rules }
    try {
      return await merge({ ...context, source: this.source, snapshot, rules: all, dryRun: false, ...more })
    } finally {
      await rm(context.scratchDir, { recursive: true })
    }
  }
}

class SqliteFixture extends Fixture {
  readonly source: SqliteSource
  readonly #db: DatabaseSync

  constructor(dir: string) {
    super(dir)
    const path = join(dir, `merge-${++serial}.db`)
    this.#db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
    this.source = new SqliteSource('app', { path }, { baseDir: dir })
  }

  exec(sql: string): Promise<void> {
    return Promise.resolve(this.#db.exec(sql))
  }

  rows(sql: string): Promise<Row[]> {
    const statement = this.#db.prepare(sql)
    statement.setReadBigInts(true)
    const rows = statement.all().map(row => Object.entries(row).map(([name, value]) => [name, plain(value)]))
    return Promise.resolve(rows.map(row => Object.fromEntries(row) as Row))
  }

  async violations(): Promise<number> {
    return (await this.rows('SELECT 1 AS one FROM pragma_foreign_key_check')).length
  }

  async state(): Promise<unknown> {
    const schema = await this.rows('SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2')
    const tables = schema.filter(row => row['type'] === 'table').map(row => String(row['name']))
    const rows: Record<string, Row[]> = {}
    for (const table of tables) {
      const listed = await this.rows(
        `SELECT name FROM pragma_table_xinfo('${table.replaceAll("'", "''")}') ORDER BY cid`,
      )
      const columns = listed.map(column => {
        const name = quoted(String(column['name']))
        return `typeof(${name}) || ' ' || quote(${name}) AS ${name}`
      })
      const order = columns.map((_, i) => i + 1).join(', ')
      rows[table] = await this.rows(`SELECT ${columns.join(', ')} FROM ${quoted(table)} ORDER BY ${order}`)
    }
    return { schema, rows }
  }

  close(): Promise<void> {
    return Promise.resolve(this.#db.close())
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** As PostgreSQL's driver gives wide integers. */
function plain(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

class PostgresFixture extends Fixture {
  readonly source: LogicalSource
  readonly #cluster: TestCluster
  readonly #database = `merge${++serial}`

  constructor(dir: string, cluster: TestCluster) {
    super(dir)
    this.#cluster = cluster
    const options = postgresOptions.parse({ url: cluster.url(this.#database) })
    this.source = new LogicalSource('app', options, { baseDir: dir })
  }

  override async start(schema: string): Promise<this> {
    await this.#cluster.createDatabase(this.#database)
    return await super.start(schema)
  }

  async exec(sql: string): Promise<void> {
    await this.#cluster.query(this.#database, sql)
  }

  async rows(sql: string): Promise<Row[]> {
    const rows = await this.#cluster.query<Row>(this.#database, sql)
    const text = (value: unknown): unknown => (typeof value === 'number' ? String(value) : value)
    return rows.map(row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, text(value)])))
  }

  /** PostgreSQL keeps them itself, unless somebody has switched that off. */
  async violations(): Promise<number> {
    const keys = await this.rows(
      `SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
         (SELECT string_agg(format('c.%I = p.%I', a.attname, b.attname), ' AND ') FROM unnest(conkey, confkey) AS k(f, t)
          JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = f
          JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = t) AS joined,
         (SELECT string_agg(format('c.%I IS NOT NULL', a.attname), ' AND ') FROM unnest(conkey) AS k(f)
          JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = f) AS present
       FROM pg_constraint WHERE contype = 'f'`,
    )
    let count = 0
    for (const { child, parent, joined, present } of keys) {
      const broken = `SELECT 1 FROM ${child} c WHERE ${present} AND NOT EXISTS (SELECT FROM ${parent} p WHERE ${joined})`
      count += (await this.rows(broken)).length
    }
    return count
  }

  async state(): Promise<unknown> {
    const tables = await this.rows(
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_temp' ORDER BY 1`,
    )
    const rows: Record<string, Row[]> = {}
    for (const { name } of tables) {
      rows[String(name)] = await this.rows(`SELECT r::text FROM ONLY ${String(name)} AS r ORDER BY 1`)
    }
    const triggers = await this.rows(
      'SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid, tgname',
    )
    const keys = await this.rows(
      "SELECT conname, condeferrable, condeferred FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^pg_temp' ORDER BY oid",
    )
    const sequences = await this.rows(
      "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname !~ '^pg_temp' ORDER BY 1",
    )
    return { rows, triggers, keys, sequences }
  }

  async close(): Promise<void> {
    await this.#cluster.query('postgres', `DROP DATABASE ${this.#database} WITH (FORCE)`)
  }
}
