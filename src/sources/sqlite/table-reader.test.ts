import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TableReader } from './table-reader.ts'
import { rowidAliasOf } from './table-shape.ts'

let db: DatabaseSync
beforeEach(() => {
  db = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false })
})
afterEach(() => db.close())

const read = (sql: string): TableReader => {
  db.exec(sql)
  return new TableReader(db)
}

describe('foreign keys', () => {
  it('have the names of their tables and columns, in whatever case they were written', () => {
    const reader = read('CREATE TABLE Parent (Id UNIQUE); CREATE TABLE child (Ref REFERENCES parENT (ID))')
    expect(reader.foreignKeys('child')).toEqual([{ columns: ['Ref'], parent: 'Parent', parentColumns: ['Id'] }])
  })

  it('refer to the primary key, in its order, where they name no columns', () => {
    const reader = read(
      'CREATE TABLE p (a, b, c, PRIMARY KEY (c, a)); CREATE TABLE q (x, y, FOREIGN KEY (x, y) REFERENCES p)',
    )
    expect(reader.foreignKeys('q')).toEqual([{ columns: ['x', 'y'], parent: 'p', parentColumns: ['c', 'a'] }])
  })

  it('of a table that is not there stay as they were written', () => {
    const reader = read('CREATE TABLE q (x REFERENCES Gone (Id), y REFERENCES gone)')
    expect(reader.foreignKeys('q')).toEqual([
      { columns: ['y'], parent: 'gone', parentColumns: [] },
      { columns: ['x'], parent: 'Gone', parentColumns: ['Id'] },
    ])
  })
})

it('tells columns apart: written, computed, and commands of virtual tables', () => {
  const reader = read(
    'CREATE TABLE t (a INTEGER NOT NULL DEFAULT 1, b AS (a) VIRTUAL, c AS (a) STORED); CREATE VIRTUAL TABLE v USING fts5 (w)',
  )
  expect(reader.columns('t').map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'a stored',
    'b generated',
    'c generated',
  ])
  expect(reader.columns('t')[0]).toMatchObject({ type: 'INTEGER', notNull: true, hasDefault: true, keyAt: 0 })
  expect(reader.columns('v').map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'w stored',
    'v hidden',
    'rank hidden',
  ])
})

it('tells what an index is over', () => {
  const reader = read(
    'CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t (b COLLATE NOCASE, a + 1) WHERE a > 1; CREATE INDEX j ON t (a)',
  )
  expect(reader.indexes('t').toSorted((x, y) => (x.name < y.name ? -1 : 1))).toEqual([
    {
      name: 'i',
      unique: true,
      primary: false,
      partial: true,
      parts: [
        { column: 'b', collation: 'NOCASE' },
        { column: undefined, collation: 'BINARY' },
      ],
    },
    { name: 'j', unique: false, primary: false, partial: false, parts: [{ column: 'a', collation: 'BINARY' }] },
  ])
})

it.each([
  ['id INTEGER PRIMARY KEY', 'id'],
  ['id integer, PRIMARY KEY (id)', 'id'],
  ['id INTEGER PRIMARY KEY DESC', undefined],
  ['id INT PRIMARY KEY', undefined],
  ['id INTEGER, b, PRIMARY KEY (id, b)', undefined],
])('knows which column is the rowid: %s', (columns, alias) => {
  const reader = read(`CREATE TABLE t (${columns})`)
  expect(rowidAliasOf(reader.columns('t'), reader.indexes('t'))).toBe(alias)
})
