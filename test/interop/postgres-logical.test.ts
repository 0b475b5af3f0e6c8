import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type AppError, isAppError } from '../../src/base/errors.ts'
import { runTool } from '../../src/clients/postgres/index.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { type PostgresOptions, postgresOptions } from '../../src/sources/postgres/options.ts'
import type { DatabaseSelection, RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

const run = promisify(execFile)
const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'postgres')

/** Scripts of each sample, in order. */
const SAMPLES: Record<string, readonly string[]> = {
  sakila: ['sakila/postgres-sakila-schema.sql', 'sakila/postgres-sakila-insert-data-using-copy.sql'],
  chinook: ['chinook/Chinook_PostgreSql_SerialPKs.sql'],
  northwind: ['northwind/northwind_postgres.sql'],
  medusa: ['medusa/medusa_v2_postgres_schema.sql'],
  strapi: ['strapi/strapi_v4_sample_data_postgres.sql'],
  strapi5: ['strapi/strapi_v5_system_tables_postgres.sql'],
}

describeWithPostgres('logical backup of databases', () => {
  let test: TestCluster
  let other: TestCluster
  let dir = ''

  beforeAll(async () => {
    ;[test, other] = await Promise.all([startTestCluster(), startTestCluster()])
    await test.query('postgres', `CREATE ROLE cs LOGIN PASSWORD 'cs-secret'; CREATE ROLE staff; GRANT staff TO cs`)
    for (const name of Object.keys(SAMPLES)) await loadSample(test, name)
  })
  afterAll(async () => {
    await Promise.all([test.close(), other.close()])
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-log-')
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  /** The samples' scripts create their own database; ours is there already. */
  const loadSample = async (cluster: TestCluster, name: string): Promise<void> => {
    const folder = await makeTempDir('lb-sql-')
    await cluster.createDatabase(name)
    for (const script of SAMPLES[name] ?? []) {
      const text = await readFile(join(FIXTURES, script), 'utf8')
      const file = join(folder, 'script.sql')
      await writeFile(file, text.replace(/^(DROP|CREATE) DATABASE .*$|^\\c .*$/gm, ''))
      await cluster.runScript(name, file)
    }
    await removeDir(folder)
  }

  const sourceOf = (url: string, more: Partial<PostgresOptions> = {}): LogicalSource =>
    new LogicalSource('shop', postgresOptions.parse({ url, ...more }), { baseDir: dir })

  const restore = async (
    snapshot: DrainedSnapshot,
    target: string,
    more: { force?: boolean; selection?: DatabaseSelection; jobs?: number } = {},
  ): Promise<RestoreOutcome> =>
    await sourceOf(target, { jobs: more.jobs ?? 1 }).restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      delta: false,
      ...{
        force: more.force ?? false,
        selection: more.selection,
      },
    })

  const schemaOf = async (cluster: TestCluster, database: string): Promise<string> => {
    const settings = cluster.admin
    const text = await runTool(cluster.tools, { tool: 'pg_dump', args: ['-s'], settings, database }, 'dump')
    return text.replace(/^\\(un)?restrict .*$/gm, '')
  }

  /** Table -> digest of its rows in no order. */
  const rowsOf = async (cluster: TestCluster, database: string): Promise<Record<string, string>> => {
    const tables = await cluster.query<{ t: string }>(
      database,
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS t FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
    )
    const digests: Record<string, string> = {}
    for (const { t } of tables) {
      const rows = await cluster.query<{ r: string }>(database, `SELECT r::text FROM ONLY ${t} r ORDER BY 1`)
      digests[t] = `${rows.length} ${createHash('sha256').update(JSON.stringify(rows)).digest('hex')}`
    }
    return digests
  }

  const sequencesOf = async (cluster: TestCluster, database: string): Promise<unknown> =>
    await cluster.query(database, 'SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2')

  const expectSame = async (from: string, cluster: TestCluster, to: string): Promise<void> => {
    expect(await schemaOf(cluster, to)).toBe(await schemaOf(test, from))
    expect(await rowsOf(cluster, to)).toEqual(await rowsOf(test, from))
    expect(await sequencesOf(cluster, to)).toEqual(await sequencesOf(test, from))
  }

  const failure = async (work: Promise<unknown>): Promise<AppError> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!isAppError(error)) throw new Error(`no AppError but ${error instanceof Error ? error.stack : String(error)}`)
    return error
  }

  const listCommands = async (): Promise<string[]> => {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
    return await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  }

  const databasesOf = async (cluster: TestCluster): Promise<string[]> => {
    const rows = await cluster.query<{ n: string }>('postgres', 'SELECT datname AS n FROM pg_database ORDER BY 1')
    return rows.map(row => row.n)
  }

  for (const name of Object.keys(SAMPLES)) {
    for (const jobs of name === 'sakila' ? [1, 2] : [1]) {
      it(`${name} comes back the same, with ${jobs} jobs`, async () => {
        const snapshot = await drain(sourceOf(test.url(name), { jobs }), dir)
        const outcome = await restore(snapshot, test.url(`${name}_${jobs}`), { jobs })
        expect(outcome.findings).toEqual([])
        expect(outcome.checks).toMatchObject([{ passed: true }])
        await expectSame(name, test, `${name}_${jobs}`)
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
    await expectSame('sakila', other, 'sakila')
    await other.query('postgres', 'DROP DATABASE sakila')
    await other.query('postgres', 'DROP ROLE cs; DROP ROLE staff')
  })

  it('describes what it captured', async () => {
    const { manifest } = await drain(sourceOf(test.url('chinook')), dir)
    const database = manifest.database
    expect(manifest.engineVersion).toMatch(/^PostgreSQL \d+/)
    expect(database?.tables).toContainEqual({ name: 'public.track', rows: 3503 })
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
    const outcome = await restore(listed, other.url('postgres'))
    expect(outcome.checks.map(check => check.passed)).toEqual([true, true])
    await expectSame('chinook', other, 'chinook')
    await expectSame('medusa', other, 'medusa')
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
    const withRoles = await restore(snapshot, other.url('strapi_b'), { selection: { roles: true } })
    expect(withRoles.findings).toEqual([])
    await expectSame('strapi', other, 'strapi_b')
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
    await expectSame('chinook', other, 'live')
    const kept = /now called (\S+)$/.exec(outcome.findings[0]?.message ?? '')?.[1] ?? ''
    expect(kept).toMatch(/^live_before_\d{8}_\d{6}$/)
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

  it('leaves nothing behind when an archive is cut or its rows are fewer', async () => {
    const snapshot = await drain(sourceOf(test.url('chinook')), dir)
    const dump = snapshot.entries.find(entry => entry.path === 'chinook.dump')?.file ?? ''
    const bytes = await readFile(dump)
    await writeFile(dump, bytes.subarray(0, bytes.length - 20_000))
    const before = await databasesOf(other)
    const cut = await failure(restore(snapshot, other.url('cut')))
    expect(cut.message).toContain('could not read from input file: end of file')
    await writeFile(dump, bytes)
    const wrong = structuredClone(snapshot.manifest)
    const table = wrong.database?.databases?.[0]?.tables.find(each => each.name === 'public.track')
    Object.assign(table ?? {}, { rows: 3504 })
    const outcome = await restore({ ...snapshot, reader: { ...snapshot.reader, manifest: wrong } }, other.url('fewer'))
    expect(outcome.checks).toMatchObject([{ passed: false, found: 'public.track: 3503' }])
    expect(await databasesOf(other)).toEqual(before)
  })

  it('removes what a killed restore left', async () => {
    const snapshot = await drain(sourceOf(test.url('medusa')), dir)
    await other.createDatabase('again_lifeboat_0123abcd')
    await other.createDatabase('other_lifeboat_0123abcd')
    await restore(snapshot, other.url('again'))
    expect(await databasesOf(other)).toContain('other_lifeboat_0123abcd')
    expect(await databasesOf(other)).not.toContain('again_lifeboat_0123abcd')
  })

  it('names extensions that the server lacks', async () => {
    const snapshot = await drain(sourceOf(test.url('medusa')), dir)
    const manifest = structuredClone(snapshot.manifest)
    Object.assign(manifest.database?.databases?.[0] ?? {}, { extensions: [{ name: 'vector', version: '0.7' }] })
    const reader = { ...snapshot.reader, manifest }
    const error = await failure(restore({ ...snapshot, reader }, other.url('vectors')))
    expect(error.message).toContain('extension vector')
    expect(error.hint).toContain('pgvector')
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
    await expectSame('sakila', other, 'parts')
  })

  it('keeps the archives of big tables apart, and brings them back by hand', async () => {
    await test.createDatabase('big')
    await test.query(
      'big',
      `CREATE TABLE "Mail" (id serial PRIMARY KEY, body text); ALTER TABLE "Mail" ALTER body SET STORAGE PLAIN;
      INSERT INTO "Mail" (body) SELECT repeat(md5(i::text), 60) FROM generate_series(1, 20000) i; CREATE TABLE small AS SELECT 1 AS x`,
    )
    const snapshot = await drain(sourceOf(test.url('big'), { jobs: 3 }), dir)
    expect(snapshot.entries.map(entry => entry.path)).toContain('big.data/public.Mail.dump')
    for (const jobs of [1, 3]) {
      await restore(snapshot, other.url(`big_${jobs}`), { jobs })
      await expectSame('big', other, `big_${jobs}`)
    }
    await other.query('big_1', `UPDATE "Mail" SET body = 'x'`)
    await restore(snapshot, other.url('big_1'), { force: true, selection: { tables: ['"Mail"'] } })
    await expectSame('big', other, 'big_1')
    const folder = join(dir, 'files')
    await mkdir(folder, { recursive: true })
    await restore(snapshot, join(folder, 'big'))
    const notes = await readFile(join(folder, 'big', 'RESTORE.txt'), 'utf8')
    expect(notes).toContain('pg_restore --exit-on-error --data-only -d big big.data/public.Mail.dump')
  })

  const film = async (database: string): Promise<Record<string, string>> => {
    const [row] = await other.query<Record<string, string>>(
      database,
      `SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f') AS keys,
        (SELECT count(*) FROM pg_indexes WHERE tablename = 'film') AS indexes,
        (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'film'::regclass AND NOT tgisinternal) AS triggers,
        (SELECT count(*) FROM pg_views WHERE schemaname = 'public') AS views,
        (SELECT count(*) FROM film) AS rows, (SELECT last_value FROM film_film_id_seq) AS sequence`,
    )
    return row ?? {}
  }

  it('gives one table its rows back, and all that refers to it stays', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('onetable')
    await restore(snapshot, target)
    const before = await film('onetable')
    expect(Number(before['keys'])).toBeGreaterThan(20)
    await other.query(
      'onetable',
      `UPDATE film SET title = 'gone'; UPDATE customer SET first_name = 'KEPT' WHERE customer_id = 1`,
    )
    expect((await failure(restore(snapshot, target, { selection: { tables: ['film'] } }))).code).toBe('target-exists')
    const outcome = await restore(snapshot, target, { force: true, selection: { tables: ['film'] } })
    expect(outcome.checks).toMatchObject([{ passed: true, found: '1000 rows in 1 tables' }])
    expect(await film('onetable')).toEqual(before)
    expect(await schemaOf(other, 'onetable')).toBe(await schemaOf(test, 'sakila'))
    const [wanted, found] = [await rowsOf(test, 'sakila'), await rowsOf(other, 'onetable')]
    expect(found['public.film']).toBe(wanted['public.film'])
    expect(found['public.customer']).not.toBe(wanted['public.customer'])
  })

  it('brings back a table that was dropped with all that hung on it', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('dropped')
    await restore(snapshot, target)
    await other.query('dropped', 'DROP TABLE film CASCADE')
    await restore(snapshot, target, { selection: { tables: ['public.film'] } })
    expect(await schemaOf(other, 'dropped')).toBe(await schemaOf(test, 'sakila'))
    expect(await rowsOf(other, 'dropped')).toEqual(await rowsOf(test, 'sakila'))
    expect(await sequencesOf(other, 'dropped')).toEqual(await sequencesOf(test, 'sakila'))
    await other.query(
      'dropped',
      'DROP TRIGGER film_fulltext_trigger ON film; DROP INDEX idx_title; ALTER TABLE inventory DROP CONSTRAINT inventory_film_id_fkey',
    )
    await restore(snapshot, target, { force: true, selection: { tables: ['film'] } })
    expect(await schemaOf(other, 'dropped')).toBe(await schemaOf(test, 'sakila'))
  })

  it('changes nothing when rows elsewhere need rows that the snapshot lacks', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('needs')
    await restore(snapshot, target)
    await other.query(
      'needs',
      `INSERT INTO film (title, language_id, fulltext) VALUES ('new', 1, ''); INSERT INTO inventory (film_id, store_id) SELECT max(film_id), 1 FROM film`,
    )
    const before = await rowsOf(other, 'needs')
    const error = await failure(restore(snapshot, target, { force: true, selection: { tables: ['film'] } }))
    expect(error.message).toMatch(/foreign key/)
    expect(error.hint).toContain('--table')
    expect(await rowsOf(other, 'needs')).toEqual(before)
    expect(await schemaOf(other, 'needs')).toBe(await schemaOf(test, 'sakila'))
    await restore(snapshot, target, { force: true, selection: { tables: ['film', 'inventory'] } })
    expect((await rowsOf(other, 'needs'))['public.film']).toBe((await rowsOf(test, 'sakila'))['public.film'])
    const unknown = await failure(restore(snapshot, target, { force: true, selection: { tables: ['nope'] } }))
    expect(unknown.code).toBe('not-found')
  })

  it('restores a schema, and a partitioned table', async () => {
    await test.createDatabase('schemas')
    await test.query(
      'schemas',
      `CREATE SCHEMA shop; CREATE TABLE shop.day (d date, n int, PRIMARY KEY (d, n)) PARTITION BY RANGE (d);
       CREATE TABLE shop.day_1 PARTITION OF shop.day FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE shop.day_2 PARTITION OF shop.day FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
       INSERT INTO shop.day SELECT '2026-01-20'::date + i, i FROM generate_series(1, 30) i;
       CREATE TABLE public.ref (d date, n int, FOREIGN KEY (d, n) REFERENCES shop.day); INSERT INTO ref SELECT * FROM shop.day;
       CREATE TABLE public.own (x int)`,
    )
    const snapshot = await drain(sourceOf(test.url('schemas')), dir)
    const target = other.url('schemas')
    await restore(snapshot, target)
    await other.query('schemas', `INSERT INTO shop.day VALUES ('2026-01-02', 99); INSERT INTO own VALUES (1)`)
    for (const selection of [{ schemas: ['shop'] }, { tables: ['shop.day'] }, { tables: ['shop.day_1'] }]) {
      await other.query('schemas', `INSERT INTO shop.day VALUES ('2026-01-03', 98) ON CONFLICT DO NOTHING`)
      await restore(snapshot, target, { force: true, selection })
      expect(await schemaOf(other, 'schemas')).toBe(await schemaOf(test, 'schemas'))
      const [wanted, found] = [await rowsOf(test, 'schemas'), await rowsOf(other, 'schemas')]
      expect(found['shop.day_1']).toBe(wanted['shop.day_1'])
      expect(found['public.own']).not.toBe(wanted['public.own'])
    }
  })

  it('verifies by reading all of it, and by a restore into a cluster of its own', async () => {
    const source = sourceOf(test.url('postgres'), { databases: ['sakila', 'strapi'] })
    const snapshot = await drain(source, dir)
    const verify = async (reader = snapshot.reader, all = false): Promise<boolean[]> => {
      const outcome = await source.verify({ ...(await makeContext(dir)), snapshot: reader, restore: all })
      expect(outcome.findings).toEqual([])
      return outcome.checks.map(check => check.passed)
    }
    expect(await verify()).toEqual([true, true])
    expect(await verify(snapshot.reader, true)).toEqual([true, true, true, true])

    const dump = snapshot.entries.find(entry => entry.path === 'sakila.dump')?.file ?? ''
    const bytes = await readFile(dump)
    await writeFile(dump, bytes.subarray(0, bytes.length - 20_000))
    // The table of contents alone is whole, as is all that it lists.
    await run(join(test.tools.binDir, 'pg_restore'), ['--list', dump])
    expect(await verify()).toEqual([false, true])
    // One row less, at a place where pg_restore sees nothing wrong.
    const row = bytes.indexOf('ACADEMY DINOSAUR')
    const start = bytes.lastIndexOf('\n', row) + 1
    const end = bytes.indexOf('\n', row)
    const joined = Buffer.from(bytes)
    joined[end] = 0x20
    expect(end).toBeGreaterThan(start)
    await writeFile(dump, joined)
    expect(await verify()).toEqual([false, true])
    await writeFile(dump, bytes)
  })

  it('never shows a password: not in the process list, not in errors, not in what is stored', async () => {
    const password = 'pl4nted-s3cret'
    await test.query('postgres', `CREATE ROLE planted LOGIN SUPERUSER PASSWORD '${password}'`)
    const { host, port } = test.admin
    const url = `postgres://planted:${password}@/sakila?host=${encodeURIComponent(host)}&port=${port}`
    const seen: string[] = []
    const watch = setInterval(() => void listCommands().then(lines => seen.push(...lines)), 5)
    const snapshot = await drain(sourceOf(url), dir)
    await restore(snapshot, url.replace('/sakila', '/planted_copy'))
    await restore(snapshot, url.replace('/sakila', '/planted_copy'), { force: true, selection: { tables: ['film'] } })
    clearInterval(watch)
    expect(seen.some(line => line.includes('pg_dump'))).toBe(true)
    expect(seen.filter(line => line.includes(password))).toEqual([])
    const error = await failure(drain(sourceOf(url.replace('/sakila', '/nowhere')), dir))
    const { message, hint, stack, context } = error
    expect(JSON.stringify({ message, hint, stack, context })).not.toContain(password)
    expect(JSON.stringify(snapshot.manifest)).not.toContain(password)
  })

  it('refuses a client older than the server before anything starts', async () => {
    await writeFile(join(dir, 'pg_dump'), '#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.1"\n', { mode: 0o755 })
    const source = sourceOf(test.url('sakila'), { binDir: dir })
    expect((await failure(drain(source, dir))).code).toBe('tool-missing')
    expect(await source.probe(await makeContext(dir))).toMatchObject([{ severity: 'error', code: 'client-unfit' }])
  })

  it('says before the first run what a user may not read, and how to mend it', async () => {
    await test.createDatabase('rights')
    await test.query(
      'rights',
      `CREATE ROLE poor LOGIN; CREATE TABLE secret (x int); CREATE TABLE rows (x int);
      GRANT SELECT ON rows TO poor; ALTER TABLE rows ENABLE ROW LEVEL SECURITY; INSERT INTO rows VALUES (1)`,
    )
    const source = sourceOf(test.url('rights').replace('postgres@', 'poor@'))
    const findings = await source.probe(await makeContext(dir))
    expect(findings).toMatchObject([
      { severity: 'info', code: 'role-passwords-missing' },
      { severity: 'error', code: 'table-unreadable', affects: ['public.secret'] },
      { severity: 'error', code: 'rows-hidden', affects: ['public.rows'] },
    ])
    for (const mend of findings.slice(1)) {
      await test.query('rights', /run: (.*;)/.exec(mend.hint ?? '')?.[1] ?? 'no mend')
    }
    expect((await source.probe(await makeContext(dir))).filter(finding => finding.severity === 'error')).toEqual([])
    const { manifest } = await drain(source, dir)
    expect(manifest.database?.tables).toEqual([
      { name: 'public.rows', rows: 1 },
      { name: 'public.secret', rows: 0 },
    ])
  })

  it('fails, not shortens, when the server dies in the middle', async () => {
    const doomed = await startTestCluster()
    try {
      await doomed.createDatabase('big')
      await doomed.query(
        'big',
        `CREATE TABLE t AS SELECT i, repeat(md5(i::text), 40) AS v FROM generate_series(1, 60000) i`,
      )
      const error = await failure(
        drain(sourceOf(doomed.url('big'), { globals: false }), dir, {
          bufferBytes: 1 << 20,
          onStarted: async () => {
            await Promise.resolve()
            setTimeout(() => process.kill(doomed.cluster.server.pid, 'SIGQUIT'), 150)
          },
        }),
      )
      expect(['source-unreachable', 'source-busy', 'tool-failed']).toContain(error.code)
    } finally {
      await doomed.close()
    }
  })
})
