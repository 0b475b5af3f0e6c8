import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, rowsOf, schemaOf, sequencesOf } from '../helpers/postgres-samples.ts'
import { Workspace } from '../helpers/workspace.ts'

const SHOP = `
  CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL); CREATE INDEX item_name ON item (name);
  CREATE TABLE line (item int REFERENCES item, n int); CREATE TABLE log (n int);
  CREATE VIEW named AS SELECT id, name FROM item;
  INSERT INTO item (name) SELECT 'item ' || i FROM generate_series(1, 50) i; INSERT INTO line SELECT id, id FROM item;
  INSERT INTO log VALUES (0)`

describeWithPostgres('undo of what was restored to a server', () => {
  let test: TestCluster
  let workspace: Workspace

  beforeAll(async () => {
    test = await startTestCluster()
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-pgundo-')))
    const merge = '{ tables: { line: { skip: true }, log: { skip: true } } }'
    writeFileSync(
      join(workspace.dir, 'lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n' +
        `  shop: { kind: postgres, url: "${test.url('shop')}", globals: false, restore: { merge: ${merge} } }\n` +
        `  hooked: { kind: postgres, url: "${test.url('shop')}", globals: false, restore: { after: { command: [sh, -c, ${JSON.stringify(failOnce())}] } } }\n` +
        `  part: { kind: postgres, url: "${test.url('shop')}", globals: false, excludeTableData: [public.log] }\n` +
        `  two: { kind: postgres, url: "${test.url('')}", globals: false, databases: [shop, second] }\n`,
    )
    await workspace.run('init', '--yes')
  })
  afterAll(async () => {
    await test.close()
    rmSync(workspace.dir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    for (const name of (await databasesOf(test)).filter(each => /^(shop|second|copy)/.test(each))) {
      await test.query('postgres', `DROP DATABASE "${name}" WITH (FORCE)`)
    }
    await test.createDatabase('shop')
    await test.query('shop', SHOP)
    await workspace.run('backup', 'shop')
  })

  /** The application starts, writes, and is not well. */
  const failOnce = (): string =>
    `[ -e '${workspace.dir}/failed' ] && exit 0; touch '${workspace.dir}/failed'; psql -qc 'INSERT INTO log VALUES (77)' '${test.url('shop')}'; exit 1`

  const stateOf = async (cluster: TestCluster, name: string) => ({
    schema: await schemaOf(cluster, name),
    rows: await rowsOf(cluster, name),
    sequences: await sequencesOf(cluster, name),
  })

  interface Done {
    readonly run: string
    readonly safetySnapshot: string | null
    readonly kept: readonly { readonly kept: string }[]
  }

  it('of one table gives back its rows, and leaves all that was written elsewhere since', async () => {
    await test.query('shop', `UPDATE item SET name = 'now' WHERE id = 1; INSERT INTO item (name) VALUES ('new')`)
    const before = await stateOf(test, 'shop')
    const done = await workspace.json<Done>('restore', 'shop', '--table', 'item', '--yes')
    expect(done.safetySnapshot).not.toBeNull()
    await test.query(
      'shop',
      `INSERT INTO log VALUES (1); INSERT INTO line VALUES (2, 100); INSERT INTO item (name) VALUES ('late')`,
    )
    const elsewhere = await rowsOf(test, 'shop')

    const refused = await workspace.try('undo')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('1 row')])
    const undone = await workspace.json<Done & { written: unknown }>('undo', '--yes')
    expect(undone.written).toMatchObject([{ name: 'public.item', written: 1 }])
    const rows = await rowsOf(test, 'shop')
    expect(rows['public.item']).toBe(before.rows['public.item'])
    for (const table of ['public.log', 'public.line']) expect(rows[table]).toBe(elsewhere[table])
    expect(await schemaOf(test, 'shop')).toBe(before.schema)

    // Its own safety point has what it took away.
    await workspace.json('undo', undone.run.slice(0, 8), '--yes')
    expect(await rowsOf(test, 'shop')).toEqual(elsewhere)
  })

  it('of tables that came back drops them with what came with them, and what is newer stays', async () => {
    const whole = await stateOf(test, 'shop')
    await test.query('shop', 'DROP TABLE item CASCADE; DROP TABLE log')
    const without = await stateOf(test, 'shop')
    const done = await workspace.json<Done>('restore', 'shop', '--table', 'item', '--yes')
    // Nothing that is there changes: there is nothing to make safe.
    expect(done.safetySnapshot).toBeNull()
    expect(await schemaOf(test, 'shop')).not.toBe(without.schema)
    await test.query('shop', `INSERT INTO item (name) VALUES ('late')`)
    const undone = await workspace.json<Done & { written: unknown }>('undo', '--yes')
    expect(undone.written).toMatchObject([{ name: 'public.item', written: 1 }])
    expect(await stateOf(test, 'shop')).toEqual(without)
    await workspace.json('undo', undone.run.slice(0, 8), '--yes')
    const again = await rowsOf(test, 'shop')
    expect(again['public.item']).not.toBe(whole.rows['public.item'])
    expect(again['public.item']).toMatch(/^51 /)

    await test.query('shop', 'CREATE TABLE newer (item int REFERENCES item)')
    const [last] = (await workspace.json<{ run: string; canUndo: boolean }[]>('undo', '--list')).slice(-1)
    const refused = await workspace.try('undo', last?.run ?? '', '--yes')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('newer')])
    expect(await rowsOf(test, 'shop')).toMatchObject(again)
  })

  it('of a merge takes back what it merged, and nothing else', async () => {
    await test.query('shop', 'DELETE FROM line; DELETE FROM item WHERE id > 40')
    const before = await rowsOf(test, 'shop')
    await workspace.json('restore', 'shop', '--strategy', 'merge', '--yes')
    await test.query('shop', 'INSERT INTO line VALUES (1, 1); INSERT INTO log VALUES (7)')
    await workspace.json('undo', '--yes')
    const rows = await rowsOf(test, 'shop')
    expect(rows['public.item']).toBe(before['public.item'])
    expect([rows['public.line'], rows['public.log']].map(each => each?.split(' ')[0])).toEqual(['1', '2'])
  })

  it('of a whole database names the rows that came since, and keeps them', async () => {
    await test.query('shop', `INSERT INTO item (name) VALUES ('now')`)
    const before = await stateOf(test, 'shop')
    await workspace.json('restore', 'shop', '--yes')
    await test.query(
      'shop',
      `INSERT INTO line VALUES (1, 1); UPDATE item SET name = 'x' WHERE id < 4; DELETE FROM line WHERE n = 50`,
    )
    const since = await rowsOf(test, 'shop')
    const undone = await workspace.json<Done & { written: unknown }>('undo', '--yes')
    expect(undone.written).toEqual([
      { name: 'public.item', written: 3, gone: 3 },
      { name: 'public.line', written: 1, gone: 1 },
    ])
    expect(await stateOf(test, 'shop')).toEqual(before)
    expect(await rowsOf(test, undone.kept[0]?.kept ?? '')).toEqual(since)
    const twice = await workspace.try('undo', '--json')
    expect(twice.code).toBe(1)
  })

  it('of what a failed hook may have written to keeps that', async () => {
    await workspace.run('backup', 'hooked')
    await test.query('shop', `INSERT INTO log VALUES (5)`)
    const before = await stateOf(test, 'shop')
    const failed = await workspace.try('restore', 'hooked', '--yes', '--json')
    expect(failed.code).toBe(1)
    expect(await stateOf(test, 'shop')).toEqual(before)
    const kept = (await databasesOf(test)).find(each => each.includes('taken_back')) ?? ''
    expect(failed.stdout + failed.stderr).toContain(kept)
    expect(await test.query(kept, 'SELECT n FROM log ORDER BY n')).toEqual([{ n: 0 }, { n: 77 }])
    await test.query('postgres', `DROP DATABASE "${kept}" WITH (FORCE)`)
  })

  it('leaves alone the rows that the snapshot does not have, and takes no part of a database for all of it', async () => {
    await workspace.run('backup', 'part')
    await workspace.run('restore', 'part', '--data-only', '--yes')
    expect((await rowsOf(test, 'shop'))['public.log']).toMatch(/^1 /)
    const none = await workspace.try('restore', 'part', '--table', 'log', '--yes')
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('excludeTableData')])
    const done = await workspace.json<Done>('restore', 'part', '--table', 'item', '--yes')
    const safety = done.safetySnapshot ?? ''
    const refused = await workspace.try('restore', 'part', safety, '--yes')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--table public.item')])
    await workspace.run('restore', 'part', safety, '--table', 'item', '--yes')
    await workspace.run('restore', 'part', '--yes')
    expect((await rowsOf(test, 'shop'))['public.log']).toMatch(/^0/)
  })

  it('leaves the large objects that came back with rows, and a restore names those that differ', async () => {
    await test.query(
      'shop',
      `CREATE TABLE file (id int PRIMARY KEY, body oid); INSERT INTO file VALUES (1, lo_from_bytea(60001, 'one'))`,
    )
    await workspace.run('backup', 'shop')
    await test.query('shop', 'SELECT lo_unlink(60001)')
    await workspace.run('restore', 'shop', '--data-only', '--yes')
    const held = "SELECT convert_from(lo_get(60001), 'UTF8') AS held"
    expect(await test.query('shop', held)).toEqual([{ held: 'one' }])
    await workspace.run('undo', '--yes')
    expect(await test.query('shop', held)).toEqual([{ held: 'one' }])
    await test.query('shop', `SELECT lo_put(60001, 0, 'two')`)
    const done = await workspace.try('restore', 'shop', '--data-only', '--yes')
    expect([done.code, done.stdout + done.stderr]).toEqual([3, expect.stringContaining('SELECT lo_unlink(60001);')])
    expect(await test.query('shop', held)).toEqual([{ held: 'two' }])
  })

  it('of several databases puts back each, by the names that the plan, the report and the journal say', async () => {
    await test.createDatabase('second')
    await test.query('second', SHOP)
    await workspace.run('backup', 'two')
    for (const name of ['shop', 'second']) await test.query(name, `INSERT INTO log VALUES (9)`)
    const now = [await stateOf(test, 'shop'), await stateOf(test, 'second')]
    const refused = await workspace.try('restore', 'two', '--to', test.url('copy'), '--yes')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--database')])
    expect(await stateOf(test, 'shop')).toEqual(now[0])

    const plan = await workspace.run('restore', 'two', '--dry-run')
    const report = await workspace.run('restore', 'two', '--yes')
    const [entry] = (await workspace.json<{ run: string; target: string; places: string[] }[]>('undo', '--list')).slice(
      -1,
    )
    for (const place of entry?.places ?? []) {
      expect([plan, report]).toEqual([expect.stringContaining(place), expect.stringContaining(place)])
    }
    expect(entry?.places.map(each => /\/(\w+)\?/.exec(each)?.[1])).toEqual(['shop', 'second'])
    await workspace.run('undo', entry?.run ?? '', '--yes')
    expect([await stateOf(test, 'shop'), await stateOf(test, 'second')]).toEqual(now)
  })
})
