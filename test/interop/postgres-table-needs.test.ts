import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DrainedSnapshot, drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { type RestoreOptions, restoreTo, schemaOf, sourceOf } from '../helpers/postgres-samples.ts'

describeWithPostgres('what tables need when they come back', () => {
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster()
    dir = await makeTempDir('lb-log-')
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })

  const captured = async (name: string, sql: string): Promise<DrainedSnapshot> => {
    await test.createDatabase(name)
    await test.query(name, sql)
    return await drain(sourceOf(test.url(name)), dir)
  }
  const restore = (snapshot: DrainedSnapshot, name: string, more: RestoreOptions = {}) =>
    restoreTo(dir, snapshot, test.url(name), { force: true, ...more })
  const largeObjects = async (name: string): Promise<Record<string, string>> => {
    const rows = await test.query<{ oid: string; what: string }>(
      name,
      `SELECT oid, concat_ws(' ', lomowner::regrole, lomacl::text, md5(lo_get(oid))) AS what FROM pg_largeobject_metadata`,
    )
    return Object.fromEntries(rows.map(row => [row.oid, row.what]))
  }

  it('brings large objects back that are gone, and writes to none that is there', async () => {
    await test.query('postgres', 'CREATE ROLE bob; CREATE ROLE reader')
    const snapshot = await captured(
      'files',
      `CREATE DOMAIN lo AS oid; CREATE TABLE file (id int PRIMARY KEY, body oid, more lo, pages oid[]);
       CREATE TABLE other (id int PRIMARY KEY, body oid);
       SELECT lo_from_bytea(50001, 'short'), lo_from_bytea(50002, decode(repeat('00ff5c27', 20000), 'hex')), lo_from_bytea(50003, ''),
         lo_from_bytea(50004, 'a page'), lo_from_bytea(50005, 'of other'), lo_from_bytea(50006, 'nobody''s');
       ALTER LARGE OBJECT 50002 OWNER TO bob; GRANT SELECT ON LARGE OBJECT 50002 TO reader;
       INSERT INTO file VALUES (1, 50001, 50002, '{50003, 50004}'), (2, NULL, NULL, NULL); INSERT INTO other VALUES (1, 50005)`,
    )
    const before = await largeObjects('files')
    expect(Object.keys(before)).toHaveLength(6)
    await test.query(
      'files',
      `SELECT lo_unlink(oid) FROM pg_largeobject_metadata; TRUNCATE file;
       SELECT lo_from_bytea(50001, 'short'), lo_from_bytea(50004, 'A page'), lo_from_bytea(50003, 'longer')`,
    )
    const now = await largeObjects('files')
    const one = await restore(snapshot, 'files', { selection: { tables: ['file'] } })
    expect(await largeObjects('files')).toEqual({ ...now, '50002': before['50002'] })
    expect(one.findings).toMatchObject([
      { code: 'large-objects-restored', severity: 'info' },
      { code: 'large-objects-not-restored', subject: 'large objects 50003, 50004 of database files' },
    ])
    expect(one.leftOut).toBe(true)
    // As the hint says it.
    await test.query('files', one.findings[1]?.hint?.match(/SELECT.*;/)?.[0] ?? '')
    const all = await restore(snapshot, 'files', { selection: { part: 'data' } })
    expect(await largeObjects('files')).toEqual(before)
    expect([all.leftOut, all.findings.map(each => each.code)]).toEqual([false, ['large-objects-restored']])
    const again = await restore(snapshot, 'files', { selection: { part: 'data' } })
    expect([again.leftOut, again.findings]).toEqual([false, []])
  })
})
