import { DatabaseSync } from 'node:sqlite'

/** Databases as they are found in the field: they break their own rules, or need what only their application has. */
export interface ImperfectDatabase {
  readonly what: string
  readonly sql: string
  readonly spoil: (db: DatabaseSync) => void
}

export function makeDatabase(path: string, sql: string, spoil: (db: DatabaseSync) => void = () => {}): void {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false, defensive: false })
  // As applications bring their own: to be had only where it is registered.
  db.function('fold', { deterministic: true }, value => (value === null ? null : String(value).toLowerCase()))
  db.exec(sql)
  spoil(db)
  db.close()
}

/** Changes the statement of a table or index, and not what is stored: as if the rows were older than the rule. */
export function changeSql(db: DatabaseSync, name: string, from: string, to: string): void {
  db.exec('PRAGMA writable_schema = ON')
  const { changes } = db.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?').run(from, to, name)
  if (changes !== 1) throw new Error(`no ${name}`)
  db.exec('PRAGMA writable_schema = RESET')
}

/** Does something while an index is not in the schema, so that it does not hear of it. */
function withoutIndex(db: DatabaseSync, name: string, work: string): void {
  const row = db.prepare('SELECT rootpage, tbl_name, sql FROM sqlite_schema WHERE name = ?').get(name)
  db.exec(`PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = '${name}';
    PRAGMA writable_schema = RESET; ${work}; PRAGMA writable_schema = ON`)
  db.prepare("INSERT INTO sqlite_schema VALUES ('index', ?, ?, ?, ?)").run(
    name,
    row?.['tbl_name'] ?? null,
    row?.['rootpage'] ?? null,
    row?.['sql'] ?? null,
  )
  db.exec('PRAGMA writable_schema = RESET')
}

const ROWS = 'INSERT INTO %(v) VALUES (1), (2), (-3), (2)'
const table = (name: string, more = ''): string =>
  `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, v INT); ${ROWS.replace('%', name)}; ${more}`

/** `found`: what a check says, by kind and object. Each has tables of its own, so that one database can have them all. */
export const IMPERFECT: ReadonlyArray<ImperfectDatabase & { readonly found: string }> = [
  {
    what: 'rows that break a CHECK constraint',
    sql: table('a'),
    spoil: db => changeSql(db, 'a', 'v INT', "v INT CHECK /* of ')' */ (v >= (0) AND v <> ')')"),
    found: 'constraint a',
  },
  {
    what: 'rows that break NOT NULL',
    sql: `${table('b')} INSERT INTO b (v) VALUES (NULL)`,
    spoil: db => changeSql(db, 'b', 'v INT', 'v INT NOT NULL'),
    found: 'constraint b',
  },
  {
    what: 'values of another type in a STRICT table',
    sql: "CREATE TABLE c (id INTEGER PRIMARY KEY, v ANY) STRICT; INSERT INTO c (v) VALUES ('text')",
    spoil: db => changeSql(db, 'c', 'v ANY', 'v INT'),
    found: 'constraint c',
  },
  {
    what: 'rows that break a UNIQUE index',
    sql: table('d', 'CREATE INDEX d_v ON d (v)'),
    spoil: db => changeSql(db, 'd_v', 'CREATE INDEX', 'CREATE UNIQUE INDEX'),
    found: 'index d_v',
  },
  {
    what: 'an index that misses a row',
    sql: table('e', 'CREATE INDEX e_v ON e (v)'),
    spoil: db => withoutIndex(db, 'e_v', 'INSERT INTO e (v) VALUES (9)'),
    found: 'index e_v',
  },
  {
    what: 'an index with a row too many',
    sql: table('f', 'CREATE INDEX f_v ON f (v)'),
    spoil: db => withoutIndex(db, 'f_v', 'DELETE FROM f WHERE id = 1'),
    found: 'index f_v',
  },
  {
    what: 'an FTS5 table that lacks words',
    sql: "CREATE VIRTUAL TABLE g USING fts5 (body); INSERT INTO g VALUES ('alpha'), ('beta')",
    spoil: db => db.exec("UPDATE g_content SET c0 = 'other' WHERE id = 1"),
    found: 'search-index g',
  },
  {
    what: 'an FTS4 table that lacks words',
    sql: "CREATE VIRTUAL TABLE h USING fts4 (body); INSERT INTO h VALUES ('alpha'), ('beta')",
    spoil: db => db.exec("UPDATE h_content SET c0body = 'other' WHERE docid = 1"),
    found: 'search-index h',
  },
  {
    what: 'an R-tree that lacks a row',
    sql: 'CREATE VIRTUAL TABLE k USING rtree (id, low, high); INSERT INTO k VALUES (1, 2, 3), (2, 3, 4)',
    spoil: db => db.exec('DELETE FROM k_rowid WHERE rowid = 1'),
    found: 'search-index k',
  },
]

const TEXTS = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('A'), ('b')"

/** Each needs `fold()` or the collation `unicase`, which no connection of ours has. */
export const UNEVALUABLE: readonly ImperfectDatabase[] = [
  { what: 'a function in an index', sql: `${TEXTS}; CREATE INDEX i ON t (fold(v))`, spoil: () => {} },
  { what: 'a function in a UNIQUE index', sql: `${TEXTS}; CREATE UNIQUE INDEX i ON t (fold(v))`, spoil: () => {} },
  {
    what: 'a function in a partial index',
    sql: `${TEXTS}; CREATE INDEX i ON t (v) WHERE fold(v) > 'a'`,
    spoil: () => {},
  },
  {
    what: 'a function in a CHECK constraint',
    sql: TEXTS,
    spoil: db => changeSql(db, 't', 'v TEXT', "v TEXT CHECK (fold(v) <> 'z')"),
  },
  {
    what: 'a function in a generated column',
    sql: TEXTS,
    spoil: db => changeSql(db, 't', 'v TEXT', 'v TEXT, g TEXT AS (fold(v)) NOT NULL'),
  },
  {
    what: 'a collation of a column with an index',
    sql: `${TEXTS}; CREATE INDEX i ON t (v)`,
    spoil: db => changeSql(db, 't', 'v TEXT', 'v TEXT COLLATE unicase'),
  },
  {
    what: 'a collation of a table WITHOUT ROWID',
    sql: "CREATE TABLE t (v TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES ('A'), ('b')",
    spoil: db => changeSql(db, 't', 'v TEXT', 'v TEXT COLLATE unicase'),
  },
]
