import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeTempDir } from '../../../../test/helpers/drained-snapshot.ts'
import { sqliteEngine } from '../../../../test/helpers/merge-engines.ts'
import type { Source } from '../../source.ts'

/** The statements of a merge of so many tables, each with a trigger, and with a row to bring back. */
async function listStatements(dir: string, tables: number): Promise<string[]> {
  const each = (sql: (name: string) => string): string =>
    Array.from({ length: tables }, (_, at) => sql(`t${at}`)).join(';')
  const fixture = await sqliteEngine.make(
    dir,
    each(
      name => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, v TEXT UNIQUE); INSERT INTO ${name} (v) VALUES ('a'), ('b');
        CREATE TRIGGER ${name}_ai AFTER INSERT ON ${name} BEGIN SELECT 1; END`,
    ),
  )
  try {
    const backup = await fixture.backup()
    await fixture.exec(each(name => `DELETE FROM ${name} WHERE id = 1`))
    const statements: string[] = []
    const counting: Source['merging'] = {
      open: async request => {
        const place = await fixture.source.merging?.open(request)
        if (!place) throw new Error('not merged')
        const [change, rows] = [place.change.bind(place), place.rows.bind(place)]
        place.change = sql => {
          statements.push(sql)
          return change(sql)
        }
        place.rows = sql => {
          statements.push(sql)
          return rows(sql)
        }
        return place
      },
    }
    const source = Object.assign(Object.create(fixture.source) as Source, { merging: counting })
    expect(await fixture.merge(backup, {}, { source })).toMatchObject({ changed: true })
    return statements
  } finally {
    await fixture.close()
  }
}

let dir: string
beforeAll(async () => {
  dir = await makeTempDir()
})
afterAll(() => rmSync(dir, { recursive: true }))

it('runs as many statements for each table, however many there are, and none for each trigger', async () => {
  const [one, two, four] = [
    await listStatements(dir, 8),
    await listStatements(dir, 16),
    await listStatements(dir, 32),
  ] as const
  expect(four.length - two.length).toBe(2 * (two.length - one.length))
  // SQLite reads its whole schema for each of these.
  expect(four.filter(sql => /^(CREATE|DROP) TRIGGER/i.test(sql))).toEqual([])
})

it('merges a table of as many columns as SQLite has', async () => {
  const columns = Array.from({ length: 1900 }, (_, at) => `c${at}`)
  const fixture = await sqliteEngine.make(
    dir,
    `CREATE TABLE wide (id INTEGER PRIMARY KEY, ${columns.map(name => `${name} NOT NULL DEFAULT 1`).join(', ')});
     INSERT INTO wide (id) VALUES (1), (2), (3)`,
  )
  try {
    const backup = await fixture.backup()
    await fixture.exec('DELETE FROM wide WHERE id = 1; UPDATE wide SET c1899 = 2 WHERE id = 2')
    const { tables } = await fixture.merge(backup, { tables: { wide: { onConflict: 'backup' } } })
    expect(tables).toMatchObject([{ table: 'wide', added: 1, updated: 1 }])
    const [row] = await fixture.rows('SELECT count(*) AS n FROM wide WHERE c0 = 1 AND c1899 = 1')
    expect(Number(row?.['n'])).toBe(3)
  } finally {
    await fixture.close()
  }
})
