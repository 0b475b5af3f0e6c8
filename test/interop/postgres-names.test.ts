import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, restoreTo, rowsOf, sourceOf, stateOf } from '../helpers/postgres-samples.ts'

/** As they are typed: the same for the option of a source, for `--table`, and as the manifest names them. */
const TABLES = [
  'public.plain',
  'public."Plain"',
  'public."Ünï*?"',
  'public."x$y|z"',
  '"my shop"."Order Item"',
  '"my shop"."Order"',
  '"a.b"."say ""hi"""',
  'a."b.c"',
  '"a.b".c',
] as const

describeWithPostgres('tables of any name', () => {
  let test: TestCluster
  let dir = ''
  let snapshot: DrainedSnapshot

  beforeAll(async () => {
    test = await startTestCluster()
    await test.createDatabase('names')
    await test.query(
      'names',
      `CREATE ROLE "an owner; of"; CREATE SCHEMA "my shop" AUTHORIZATION "an owner; of"; CREATE SCHEMA "a.b"; CREATE SCHEMA a;
       ${TABLES.map(name => `CREATE TABLE ${name} (id serial PRIMARY KEY, "a text" text DEFAULT 'x')`).join(';')};
       CREATE INDEX "an index" ON "my shop"."Order Item" ("a text");
       ALTER TABLE "my shop"."Order Item" OWNER TO "an owner; of";
       ALTER TABLE "a.b".c ADD CONSTRAINT "to it" FOREIGN KEY (id) REFERENCES "my shop"."Order Item";
       CREATE VIEW "my shop"."a view" AS SELECT * FROM "my shop"."Order Item";
       COMMENT ON TABLE "my shop"."Order Item" IS 'of a name with a space'`,
    )
    for (const [i, name] of TABLES.entries()) {
      await test.query('names', `INSERT INTO ${name} ("a text") SELECT n::text FROM generate_series(1, ${30 - i}) n`)
    }
    dir = await makeTempDir('lb-nam-')
    snapshot = await drain(sourceOf(test.url('names')), dir)
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })
  let here = ''
  beforeEach(async () => {
    here = await makeTempDir('lb-nam-')
  })
  afterEach(async () => await removeDir(here))

  it('are named in the manifest as they are typed, each with its rows', () => {
    const rows = Object.fromEntries((snapshot.manifest.database?.tables ?? []).map(table => [table.name, table.rows]))
    expect(rows).toEqual(Object.fromEntries(TABLES.map((name, i) => [name, 30 - i])))
  })

  it('are chosen one by one for a backup', async () => {
    for (const name of TABLES) {
      const chosen = await drain(sourceOf(test.url('names'), { tables: [name], globals: false }), here)
      expect(chosen.manifest.database?.tables.map(table => table.name)).toEqual([name])
    }
    const rest = await drain(sourceOf(test.url('names'), { excludeTables: TABLES.slice(1) }), here)
    expect(rest.manifest.database?.tables.map(table => table.name)).toEqual([TABLES[0]])
    const without = await drain(sourceOf(test.url('names'), { excludeSchemas: ['"a.b"', 'A'] }), here)
    expect(without.manifest.database?.tables.map(table => table.name).toSorted()).toEqual(TABLES.slice(0, 6).toSorted())
  })

  it('take a name without a schema in any schema, for pg_dump too', async () => {
    const chosen = await drain(sourceOf(test.url('names'), { tables: ['"Order"*', 'c'] }), here)
    const names = ['"a.b".c', '"my shop"."Order Item"', '"my shop"."Order"']
    expect(chosen.manifest.database?.tables.map(table => table.name).toSorted()).toEqual(names)
  })

  it('are restored one by one, and no other is touched', async () => {
    const target = test.url('copies')
    await restoreTo(here, snapshot, target)
    const whole = await stateOf(test, 'copies')
    expect(await rowsOf(test, 'copies')).toEqual(await rowsOf(test, 'names'))
    for (const name of TABLES) {
      await test.query('copies', `UPDATE ${name} SET "a text" = 'changed'`)
      await restoreTo(here, snapshot, target, { force: true, selection: { tables: [name] } })
      expect(await stateOf(test, 'copies')).toEqual(whole)
    }
  })

  it('come back with all that hung on them', async () => {
    const target = test.url('dropped')
    await restoreTo(here, snapshot, target)
    const whole = await stateOf(test, 'dropped')
    await test.query('dropped', 'DROP TABLE "my shop"."Order Item" CASCADE')
    await restoreTo(here, snapshot, target, { selection: { tables: ['"my shop"."Order Item"'] } })
    expect(await stateOf(test, 'dropped')).toEqual(whole)
    await test.query('dropped', 'DROP TABLE a."b.c", "a.b"."say ""hi"""')
    await restoreTo(here, snapshot, target, { force: true, selection: { schemas: ['a', '"a.b"'] } })
    expect(await stateOf(test, 'dropped')).toEqual(whole)
  })

  it('are told when a name fits none, with those that are there', async () => {
    for (const options of [
      { tables: ['plain', '"plan"'] },
      { excludeTables: ['my shop.orders'] },
      { excludeTableData: ['public.plian'] },
      { schemas: ['"My Shop"'] },
      { excludeSchemas: ['shop'] },
    ]) {
      const source = sourceOf(test.url('names'), options)
      const error = await failure(drain(source, here))
      expect(error.code).toBe('source-invalid')
      expect(error.message).toMatch(/no (table|schema) fits/)
      expect(error.hint).toContain('"my shop"')
      expect(await source.probe(await makeContext(here))).toMatchObject([{ severity: 'error', message: error.message }])
    }
    // A pattern to leave out may fit nothing today.
    await drain(sourceOf(test.url('names'), { excludeTables: ['log_*'] }), here)
    const missing = await failure(restoreTo(here, snapshot, test.url('names'), { selection: { tables: ['Order'] } }))
    expect(missing.code).toBe('not-found')
    expect(missing.hint).toContain('"my shop"."Order Item"')
  })

  it('are told when nothing of one of several databases fits', async () => {
    const error = await failure(
      drain(sourceOf(test.url('names'), { databases: ['names', 'postgres'], tables: ['plain'] }), here),
    )
    expect(error.message).toContain('database postgres')
  })

  it('come back from a database of another encoding', async () => {
    await test.query(
      'postgres',
      `CREATE DATABASE "Größen" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`,
    )
    await test.query(
      'Größen',
      `CREATE TABLE "Größe" (id int PRIMARY KEY, "für" text); INSERT INTO "Größe" VALUES (1, 'größer')`,
    )
    await test.query('Größen', `CREATE TABLE other (id int)`)
    const chosen = await drain(sourceOf(test.url('Größen'), { tables: ['"Größe"'] }), here)
    expect(chosen.manifest.database?.tables).toMatchObject([
      { name: 'public."Größe"', rows: 1, columns: expect.arrayContaining([{ name: 'für', type: 'text' }]) },
    ])
    const target = test.url('größer')
    await restoreTo(here, await drain(sourceOf(test.url('Größen')), here), target)
    expect(await stateOf(test, 'größer')).toEqual(await stateOf(test, 'Größen'))
    await test.query('größer', 'DROP TABLE "Größe"')
    await restoreTo(here, chosen, target, { selection: { tables: ['"Größe"'] } })
    expect(await stateOf(test, 'größer')).toEqual(await stateOf(test, 'Größen'))
    const [row] = await test.query(
      'postgres',
      `SELECT pg_encoding_to_char(encoding) AS e FROM pg_database WHERE datname = 'größer'`,
    )
    expect(row).toEqual({ e: 'LATIN1' })
  })
})
