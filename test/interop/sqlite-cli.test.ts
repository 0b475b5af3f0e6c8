import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'

const EVERYTHING = readFileSync(join(import.meta.dirname, '../fixtures/sqlite-everything.sql'), 'utf8')
const cli = spawnSync('sqlite3', ['--version'])
if (cli.error && process.env['CI'] === 'true') throw new Error('sqlite3 is not installed')

function run(database: string, sql: string | Buffer): string {
  return execFileSync('sqlite3', ['-bail', database], { input: sql, encoding: 'utf8' })
}

/** The real `sqlite3` shell reads what we write. */
describe.skipIf(cli.error)('sqlite3 (skipped where it is not installed)', () => {
  let dir = ''
  let path = ''

  beforeEach(async () => {
    dir = await makeTempDir()
    path = join(dir, 'app.db')
  })
  afterEach(() => removeDir(dir))

  const source = (): SqliteSource => new SqliteSource('app', { path }, { baseDir: dir })

  async function text(type: 'schema' | 'data'): Promise<Buffer> {
    const snapshot = await drain(source(), dir, { type, bufferBytes: 5000 })
    expect(snapshot.entries.map(entry => entry.path)).toEqual([`${type}.sql`])
    return readFileSync(snapshot.entries[0]?.file ?? '')
  }

  for (const encoding of ['UTF-8', 'UTF-16le', 'UTF-16be']) {
    for (const journal of ['WAL', 'DELETE']) {
      it(`loads schema and data into an equal database: ${encoding}, ${journal}`, async () => {
        const db = new DatabaseSync(path)
        db.exec(
          `PRAGMA encoding = '${encoding}'; PRAGMA page_size = 1024; PRAGMA journal_mode = ${journal}; ${EVERYTHING}`,
        )
        if (encoding === 'UTF-8') db.exec("INSERT INTO plain (b) VALUES (CAST(x'41ff42c3' AS TEXT))")
        db.close()
        const copy = join(dir, 'copy.db')
        run(copy, Buffer.concat([await text('schema'), await text('data')]))
        expect(contentOf(copy)).toEqual(contentOf(path))
        // Into a schema that the application's migrations made, too.
        const migrated = join(dir, 'migrated.db')
        run(migrated, await text('schema'))
        run(migrated, await text('data'))
        expect(contentOf(migrated)).toEqual(contentOf(path))
      })
    }
  }

  it('makes virtual tables that can be used of the schema alone', async () => {
    run(path, EVERYTHING)
    const empty = join(dir, 'empty.db')
    run(empty, await text('schema'))
    run(
      empty,
      `INSERT INTO notes VALUES ('new', 'brown'); INSERT INTO old_search VALUES ('four'); INSERT INTO boxes VALUES (1, 0, 1, 0, 1)`,
    )
    const found = `SELECT title FROM notes WHERE notes MATCH 'brown'; SELECT body FROM old_search WHERE body MATCH 'four'; SELECT count(*) FROM boxes`
    expect(run(empty, `${found}; PRAGMA integrity_check`)).toBe('new\nfour\n1\nok\n')
  })

  it('dumps tables of unknown modules and of very many columns', async () => {
    const db = new DatabaseSync(path)
    const columns = Array.from({ length: 1900 }, (_, i) => `c${i}`)
    db.exec(`CREATE TABLE wide (${columns.join(', ')}); INSERT INTO wide (c0, c1899) VALUES ('first', 'last')`)
    db.exec("CREATE TABLE vectors_data (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO vectors_data VALUES (1, x'0102')")
    db.enableDefensive(false)
    db.exec(`PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES
      ('table', 'vectors', 'vectors', 0, 'CREATE VIRTUAL TABLE vectors USING vec0(v float[2])')`)
    db.close()
    const copy = join(dir, 'copy.db')
    run(copy, Buffer.concat([await text('schema'), await text('data')]))
    expect(run(copy, 'SELECT c0, c1899 FROM wide; SELECT hex(v) FROM vectors_data')).toBe('first|last\n0102\n')
    expect(run(copy, "SELECT sql FROM sqlite_schema WHERE name = 'vectors'")).toContain('vec0')
  })

  it('finds our captures whole, and equal to its own dump', async () => {
    run(path, `PRAGMA journal_mode = WAL;\n${EVERYTHING}`)
    const writer = new DatabaseSync(path)
    writer.exec("PRAGMA wal_autocheckpoint = 0; INSERT INTO gaps VALUES ('in the WAL')")
    const snapshot = await drain(source(), dir)
    const copy = join(dir, 'copy.db')
    copyFileSync(snapshot.entries[0]?.file ?? '', copy)
    expect(run(copy, 'PRAGMA integrity_check')).toBe('ok\n')
    expect(run(copy, '.dump')).toBe(run(path, '.dump'))
    writer.close()
  })

  it('is not confused by a value that looks like a command', async () => {
    run(path, 'CREATE TABLE t (v);')
    const db = new DatabaseSync(path)
    const add = db.prepare('INSERT INTO t VALUES (?)')
    for (const value of [
      '\n.shell touch pwned\n',
      "'\n;\n.quit\n",
      '/\ngo\n',
      '--\n',
      '/*',
      '\\',
      'a\r\nb\\r',
      '\r\r\n',
    ])
      add.run(value)
    db.close()
    const copy = join(dir, 'copy.db')
    writeFileSync(join(dir, 'dump.sql'), Buffer.concat([await text('schema'), await text('data')]))
    run(copy, readFileSync(join(dir, 'dump.sql')))
    expect(contentOf(copy)).toEqual(contentOf(path))
  })
})

/** All that a person could find in a database, values with their types, and what its search tables answer. */
function contentOf(path: string): unknown {
  const db = new DatabaseSync(path)
  try {
    const all = (sql: string): unknown[] => db.prepare(sql).all()
    const names = all(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')
      AND name NOT IN ('sqlite_schema') ORDER BY name`).map(row => (row as { name: string }).name)
    const tables = names.map(name => {
      const columns = all(`SELECT name FROM pragma_table_xinfo('${name.replaceAll("'", "''")}')`).map(
        row => `"${(row as { name: string }).name.replaceAll('"', '""')}"`,
      )
      const values = columns.map(
        column => `typeof(${column}) || ' ' || quote(${column}) || ' ' || coalesce(hex(${column}), '')`,
      )
      const order = columns.map((_, i) => i + 1).join(', ')
      return [
        name,
        all(
          `SELECT ${values.map((value, i) => `${value} AS v${i}`).join(', ')} FROM "${name.replaceAll('"', '""')}" ORDER BY ${order}`,
        ),
      ]
    })
    const has = (name: string): boolean => names.includes(name)
    return {
      tables,
      rowids: has('gaps') && all('SELECT rowid AS r, v FROM gaps ORDER BY 1'),
      schema: all(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY type, name",
      ),
      pragmas: ['user_version', 'application_id', 'encoding', 'page_size'].map(name => all(`PRAGMA ${name}`)),
      searches: has('articles') && [
        all("SELECT title FROM notes WHERE notes MATCH 'fox'"),
        all("SELECT rowid AS r FROM article_search WHERE article_search MATCH 'lifeboat'"),
        all("SELECT body FROM old_search WHERE old_search MATCH 'four'"),
        all('SELECT id FROM boxes WHERE x0 <= 5.5 AND x1 >= 5.5 ORDER BY id'),
      ],
      integrity: all('PRAGMA integrity_check'),
    }
  } finally {
    db.close()
  }
}
