import { rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeTempDir } from '../../../../test/helpers/drained-snapshot.ts'
import { type MergeFixture, sqliteEngine } from '../../../../test/helpers/merge-engines.ts'

let dir = ''
let fixture: MergeFixture | undefined

beforeEach(async () => {
  dir = await makeTempDir()
})
afterEach(async () => {
  await fixture?.close()
  rmSync(dir, { recursive: true })
})

const SCHEMA = `
  CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
  CREATE VIRTUAL TABLE found USING fts5 (body, content = 'note', content_rowid = 'id');
  CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN INSERT INTO found (rowid, body) VALUES (new.id, new.body); END;
  CREATE TRIGGER note_ad AFTER DELETE ON note BEGIN
    INSERT INTO found (found, rowid, body) VALUES ('delete', old.id, old.body); END;
  INSERT INTO note (body) VALUES ('first lighthouse'), ('second harbour'), ('third lighthouse');
  CREATE VIRTUAL TABLE own USING fts5 (txt); INSERT INTO own VALUES ('alpha'), ('beta');
  CREATE VIRTUAL TABLE old USING fts4 (txt); INSERT INTO old VALUES ('alpha'), ('beta');
  CREATE VIRTUAL TABLE place USING rtree (id, low, high); INSERT INTO place VALUES (1, 2, 3), (2, 3, 4);
  CREATE VIRTUAL TABLE words USING fts5 (txt, content = ''); INSERT INTO words (rowid, txt) VALUES (1, 'alpha'), (2, 'beta');`

it.each([false, true])(
  'merges rows of virtual tables, and indexes follow their tables (triggers: %s)',
  async triggers => {
    fixture = await sqliteEngine.make(dir, SCHEMA)
    const backup = await fixture.backup()
    expect(await fixture.merge(backup)).toMatchObject({ changed: false, left: [] })
    await fixture.exec(`DELETE FROM note WHERE id < 3; DELETE FROM own WHERE txt = 'alpha'; DELETE FROM old WHERE txt = 'alpha';
    INSERT INTO own (rowid, txt) VALUES (9, 'gamma'); DELETE FROM place WHERE id = 2; INSERT INTO note VALUES (7, 'new lighthouse')`)
    const result = await fixture.merge(backup, { triggers })
    expect(result.tables.filter(({ added }) => added > 0).map(({ table, added }) => `${table} ${added}`)).toEqual([
      'note 2',
      'old 1',
      'own 1',
      'place 1',
    ])
    expect(result.left).toEqual([])
    const found = await fixture.rows("SELECT rowid FROM found WHERE found MATCH 'lighthouse' ORDER BY rowid")
    expect(found.map(row => row['rowid'])).toEqual(['1', '3', '7'])
    expect(
      await fixture.rows(
        "SELECT txt FROM own WHERE own MATCH 'alpha' UNION ALL SELECT txt FROM old WHERE old MATCH 'alpha'",
      ),
    ).toHaveLength(2)
    await fixture.exec(
      "INSERT INTO found (found, rank) VALUES ('integrity-check', 1); INSERT INTO own (own) VALUES ('integrity-check')",
    )
    expect(await fixture.merge(backup)).toMatchObject({ changed: false })
  },
)

it('says what of the backup it cannot merge, and leaves it as it is', async () => {
  fixture = await sqliteEngine.make(
    dir,
    `${SCHEMA} CREATE VIRTUAL TABLE partly USING fts5 (body, content = 'note', content_rowid = 'id');`,
  )
  const backup = await fixture.backup()
  await fixture.exec("DELETE FROM note WHERE id = 1; INSERT INTO words (words) VALUES ('delete-all')")
  const result = await fixture.merge(backup)
  expect(result.left).toEqual([
    { table: 'words', why: 'not-readable', rows: expect.any(Number) as number },
    { table: 'partly', why: 'index-outdated', rows: undefined },
  ])
})
