import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { PostgresOptions } from '../../src/sources/postgres/options.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, type TestCluster } from '../helpers/postgres-cluster.ts'
import {
  databasesOf,
  failure,
  type RestoreOptions,
  restoreTo,
  rowsOf,
  SAMPLES,
  SampleServers,
  schemaOf,
  sourceOf,
  stateOf,
} from '../helpers/postgres-samples.ts'

const run = promisify(execFile)

describeWithPostgres('logical backup of databases', () => {
  let servers: SampleServers
  let test: TestCluster
  let other: TestCluster
  let dir = ''

  beforeAll(async () => {
    servers = await SampleServers.start(Object.keys(SAMPLES))
    test = servers.test
    other = servers.other
  })
  afterAll(async () => {
    await servers.close()
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-log-')
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  const restore = (snapshot: DrainedSnapshot, target: string, more: RestoreOptions = {}): Promise<RestoreOutcome> =>
    restoreTo(dir, snapshot, target, more)

  for (const name of Object.keys(SAMPLES)) {
    for (const jobs of name === 'sakila' ? [1, 2] : [1]) {
      it(`${name} comes back the same, with ${jobs} jobs`, async () => {
        const snapshot = await drain(sourceOf(test.url(name), { jobs }), dir)
        const outcome = await restore(snapshot, test.url(`${name}_${jobs}`), { jobs })
        expect(outcome.findings).toEqual([])
        expect(outcome.checks).toMatchObject([{ passed: true }])
        expect(await stateOf(test, `${name}_${jobs}`)).toEqual(await stateOf(test, name))
        await test.query('postgres', `DROP DATABASE ${name}_${jobs}`)
      })
    }
  }

  it('writes files that pg_restore and psql bring back without us', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const folder = join(dir, 'files')
    await restore(snapshot, folder)
    const notes = await readFile(join(folder, 'RESTORE.txt'), 'utf8')
    expect(notes).toContain('pg_restore --exit-on-error -d sakila sakila.dump')
    const env = { ...process.env, PGHOST: other.admin.host, PGPORT: String(other.admin.port), PGUSER: 'postgres' }
    for (const line of notes.split('\n').filter(each => /^ {2}(psql|createdb|pg_restore) /.test(each))) {
      const command = `export PATH=${test.tools.binDir}:$PATH; ${line}`
      // Roles that exist are errors by design; the notes say so.
      await run('sh', ['-c', command], { cwd: folder, env }).catch((error: unknown) => {
        if (!line.includes('psql')) throw error
      })
    }
    expect(await stateOf(other, 'sakila')).toEqual(await stateOf(test, 'sakila'))
    await other.query('postgres', 'DROP DATABASE sakila')
    await other.query('postgres', 'DROP ROLE cs; DROP ROLE staff')
  })

  it('describes what it captured', async () => {
    const { manifest } = await drain(sourceOf(test.url('chinook')), dir)
    const database = manifest.database
    expect(manifest.engineVersion).toMatch(/^PostgreSQL \d+/)
    const columns = [
      { name: 'playlist_id', type: 'integer', notNull: true, key: true },
      { name: 'name', type: 'character varying(120)' },
    ]
    expect(database?.tables).toContainEqual({ name: 'public.playlist', rows: 18, columns })
    expect(database?.databases).toMatchObject([
      { name: 'chinook', owner: 'postgres', encoding: 'UTF8', archives: ['chinook.dump'] },
    ])
    expect(database?.databases?.[0]?.logPosition).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    expect(database?.schemaFingerprint).toMatch(/^[0-9a-f]{64}$/)
    const again = await drain(sourceOf(test.url('chinook')), dir)
    expect(again.manifest.database?.schemaFingerprint).toBe(database?.schemaFingerprint)
  })

  it('captures a list of databases, or all, and restores each under its name', async () => {
    const url = test.url('postgres')
    const listed = await drain(sourceOf(url, { databases: ['chinook', 'medusa'] }), dir)
    expect(listed.manifest.database?.databases?.map(each => each.name)).toEqual(['chinook', 'medusa'])
    // To a server: a URL that names one database is refused for two.
    const outcome = await restore(listed, other.url(''))
    expect(outcome.checks.map(check => check.passed)).toEqual([true, true])
    expect(await stateOf(other, 'chinook')).toEqual(await stateOf(test, 'chinook'))
    expect(await stateOf(other, 'medusa')).toEqual(await stateOf(test, 'medusa'))
    await other.query('postgres', 'DROP DATABASE chinook')
    await other.query('postgres', 'DROP DATABASE medusa')
    const all = await drain(sourceOf(url, { databases: 'all' }), dir, { type: 'schema' })
    expect(all.manifest.database?.databases?.map(each => each.name)).toEqual(
      [...Object.keys(SAMPLES), 'postgres'].toSorted(),
    )
    const error = await failure(drain(sourceOf(url, { databases: ['chinook', 'nope'] }), dir))
    expect(error.code).toBe('source-unreachable')
    expect(error.message).toContain('nope')
  })

  it('names missing roles, leaves owners out, or creates the roles as they were', async () => {
    const snapshot = await drain(sourceOf(test.url('strapi')), dir)
    const without = await restore(snapshot, other.url('strapi_a'))
    expect(without.findings).toMatchObject([{ code: 'role-missing', affects: ['cs'] }])
    expect(await rowsOf(other, 'strapi_a')).toEqual(await rowsOf(test, 'strapi'))
    const withRoles = await restore(snapshot, other.url('strapi_b'), { own: { roles: true } })
    expect(withRoles.findings).toEqual([])
    expect(await stateOf(other, 'strapi_b')).toEqual(await stateOf(test, 'strapi'))
    const [role] = await other.query<{ same: boolean }>(
      'postgres',
      `SELECT rolpassword LIKE 'SCRAM-SHA-256%' AND pg_has_role('cs', 'staff', 'MEMBER') AS same FROM pg_authid WHERE rolname = 'cs'`,
    )
    expect(role?.same).toBe(true)
  })

  it('goes over the old database only when told, keeps it, and ends its sessions', async () => {
    const snapshot = await drain(sourceOf(test.url('chinook')), dir)
    const target = other.url('live')
    await restore(snapshot, target)
    await other.query('live', `INSERT INTO artist (name) VALUES ('after')`)
    expect((await failure(restore(snapshot, target))).code).toBe('target-exists')
    const { openSession } = await import('../../src/clients/postgres/index.ts')
    const held = await openSession(other.admin, { database: 'live' })
    const outcome = await restore(snapshot, target, { force: true })
    await held.close()
    expect(await stateOf(other, 'live')).toEqual(await stateOf(test, 'chinook'))
    const kept = /now called (\S+)$/.exec(outcome.findings[0]?.message ?? '')?.[1] ?? ''
    expect(kept).toMatch(/^live_before_\d{8}_\d{6}_[0-9a-f]{8}$/)
    expect(await other.query(kept, `SELECT name FROM artist WHERE name = 'after'`)).toHaveLength(1)
    expect((await databasesOf(other)).filter(name => name.includes('_lifeboat_'))).toEqual([])
  })

  it('brings back what belongs to the database itself, under any name', async () => {
    const own = async (cluster: TestCluster, name: string): Promise<unknown> =>
      await cluster.query(
        'postgres',
        `SELECT datconnlimit, array(SELECT unnest(datacl)::text ORDER BY 1) AS acl, shobj_description(d.oid, 'pg_database') AS note,
           array(SELECT setrole::regrole || ' ' || setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid ORDER BY 1) AS set
         FROM pg_database d WHERE datname = $1`,
        [name],
      )
    const name = '"My ""shop"""'
    await test.createDatabase('My "shop"')
    await test.query(
      'postgres',
      `ALTER DATABASE ${name} SET timezone = 'Europe/Berlin'; ALTER ROLE cs IN DATABASE ${name} SET work_mem = '8MB';
       COMMENT ON DATABASE ${name} IS 'it is'; REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC;
       GRANT CONNECT ON DATABASE ${name} TO cs; ALTER DATABASE ${name} CONNECTION LIMIT 7`,
    )
    const snapshot = await drain(sourceOf(test.url('My "shop"')), dir)
    expect((await restore(snapshot, test.url('copy of it'))).findings).toEqual([])
    expect(await own(test, 'copy of it')).toEqual(await own(test, 'My "shop"'))
    await test.query('postgres', 'DROP DATABASE "copy of it"')
    await test.query('postgres', `DROP DATABASE ${name}`)
  })

  it('takes only what is chosen', async () => {
    const tables = async (more: Partial<PostgresOptions>): Promise<string[]> => {
      const snapshot = await drain(sourceOf(test.url('chinook'), more), dir)
      const file = snapshot.entries.find(entry => entry.path === 'chinook.dump')?.file ?? ''
      const list = await run(join(test.tools.binDir, 'pg_restore'), ['--list', file])
      const dumped = [...list.stdout.matchAll(/ TABLE DATA public (\S+) /g)]
        .map(match => `public.${match[1]}`)
        .toSorted()
      expect(snapshot.manifest.database?.tables.map(table => table.name)).toEqual(dumped)
      return dumped
    }
    expect(await tables({ tables: ['play*', 'genre'] })).toEqual([
      'public.genre',
      'public.playlist',
      'public.playlist_track',
    ])
    expect(await tables({ tables: ['play*'], excludeTables: ['playlist'] })).toEqual(['public.playlist_track'])
    expect(await tables({ excludeSchemas: ['public'] })).toEqual([])
  })

  it('captures the schema alone and the rows alone; the rows go into the schema', async () => {
    const schema = await drain(sourceOf(test.url('sakila')), dir, { type: 'schema' })
    const data = await drain(sourceOf(test.url('sakila')), dir, { type: 'data' })
    const target = other.url('parts')
    await restore(schema, target)
    expect(await schemaOf(other, 'parts')).toBe(await schemaOf(test, 'sakila'))
    expect(new Set(Object.values(await rowsOf(other, 'parts'))).size).toBe(1)
    expect((await failure(restore(data, target))).code).toBe('target-exists')
    await restore(data, target, { force: true })
    expect(await stateOf(other, 'parts')).toEqual(await stateOf(test, 'sakila'))
  })

  it('keeps the archives of big tables apart, and brings them back by hand', async () => {
    await test.createDatabase('big')
    await test.query(
      'big',
      `CREATE TABLE "Mail" (id serial PRIMARY KEY, body text); ALTER TABLE "Mail" ALTER body SET STORAGE PLAIN;
      INSERT INTO "Mail" (body) SELECT repeat(md5(i::text), 240) FROM generate_series(1, 4800) i; CREATE TABLE small AS SELECT 1 AS x`,
    )
    const snapshot = await drain(sourceOf(test.url('big'), { jobs: 3 }), dir)
    expect(snapshot.entries.map(entry => entry.path)).toContain('big.data/public.Mail.dump')
    for (const jobs of [1, 3]) {
      await restore(snapshot, other.url(`big_${jobs}`), { jobs })
      expect(await stateOf(other, `big_${jobs}`)).toEqual(await stateOf(test, 'big'))
    }
    await other.query('big_1', `UPDATE "Mail" SET body = 'x'`)
    await restore(snapshot, other.url('big_1'), { force: true, selection: { tables: ['"Mail"'] } })
    expect(await stateOf(other, 'big_1')).toEqual(await stateOf(test, 'big'))
    const folder = join(dir, 'files')
    await mkdir(folder, { recursive: true })
    await restore(snapshot, join(folder, 'big'))
    const notes = await readFile(join(folder, 'big', 'RESTORE.txt'), 'utf8')
    expect(notes).toContain('pg_restore --exit-on-error --data-only -d big big.data/public.Mail.dump')
  })
})
