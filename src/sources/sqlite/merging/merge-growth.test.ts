import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import { makeTempDir } from '../../../../test/helpers/drained-snapshot.ts'
import { sqliteEngine } from '../../../../test/helpers/merge-engines.ts'
import type { Source } from '../../source.ts'

/** Counts the statements of a merge of so many tables, each with a trigger, and with a row to bring back. */
async function countStatements(dir: string, tables: number): Promise<number> {
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
    let statements = 0
    const counting: Source['merging'] = {
      open: async request => {
        const place = await fixture.source.merging?.open(request)
        if (!place) throw new Error('not merged')
        const [change, rows] = [place.change.bind(place), place.rows.bind(place)]
        place.change = sql => {
          statements++
          return change(sql)
        }
        place.rows = sql => {
          statements++
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

it('runs as many statements for each table, however many there are', async () => {
  const dir = await makeTempDir()
  try {
    const [one, two, four] = [
      await countStatements(dir, 8),
      await countStatements(dir, 16),
      await countStatements(dir, 32),
    ]
    expect(four - two).toBe(2 * (two - one))
  } finally {
    rmSync(dir, { recursive: true })
  }
})
