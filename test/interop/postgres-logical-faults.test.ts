import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { CopyQuestion, OnRestored, RestoreOutcome, Source } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import {
  databasesOf,
  failure,
  type RestoreOptions,
  restoreTo,
  SampleServers,
  sourceOf,
} from '../helpers/postgres-samples.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

const run = promisify(execFile)

describeWithPostgres('faults of logical backups', () => {
  let servers: SampleServers
  let test: TestCluster
  let other: TestCluster
  let dir = ''

  beforeAll(async () => {
    servers = await SampleServers.start(['sakila', 'chinook', 'medusa', 'strapi'])
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

  const listCommands = async (): Promise<string[]> => {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
    return await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  }

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

  it('takes an interrupted restore back at once', async () => {
    const snapshot = await drain(sourceOf(test.url('medusa')), dir)
    const before = await databasesOf(other)
    const abort = new AbortController()
    const target = other.url('interrupted')
    const restoring = failure(
      sourceOf(target).restore({
        ...(await makeContext(dir, abort.signal)),
        snapshot: snapshot.reader,
        target,
        include: [],
        checks: true,
        delta: false,
        force: false,
      }),
    )
    await vi.waitFor(
      async () => expect((await databasesOf(other)).some(name => name.startsWith('interrupted_'))).toBe(true),
      { timeout: 60_000 },
    )
    abort.abort()
    expect((await restoring).code).toBe('interrupted')
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
    Object.assign(manifest.database?.databases?.[0] ?? {}, { extensions: [{ name: 'postgis', version: '3.3' }] })
    const reader = { ...snapshot.reader, manifest }
    const error = await failure(restore({ ...snapshot, reader }, other.url('maps')))
    expect(error.message).toContain('extension postgis')
    expect(error.hint).toContain('postgis-3')
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
    const one = (name: string, value: unknown) => ({ columns: [name], rows: [[value]], more: false })
    const copies = await askRestored(source, snapshot, dir)
    expect(copies).toEqual([
      one('count', '1000'),
      one('count', '1000'),
      one('?column?', null),
      { problem: 'there is no database nowhere' },
      { problem: 'relation "nothing_there" does not exist' },
      { problem: 'cannot insert multiple commands into a prepared statement' },
      { columns: ['title'], rows: [[expect.any(String)], [expect.any(String)]], more: true },
      { problem: 'no answer within 0.2 s' },
      { problem: 'cannot execute nextval() in a read-only transaction' },
      one('count', '1000'),
    ])

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
    expect(manifest.database?.tables).toMatchObject([
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

  it.each([2_000_000, 40_000_000])('fails when the network is cut after %i bytes', async most => {
    const far = await startTestCluster({ listen: '127.0.0.1' })
    const proxy = await TcpProxy.start(far.admin.port, (through, bytes) => bytes > most && through.cut())
    try {
      await far.query(
        'postgres',
        'CREATE TABLE t AS SELECT i, repeat(md5(i::text), 40) AS v FROM generate_series(1, 60000) i',
      )
      const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`
      const error = await failure(drain(sourceOf(url, { globals: false }), dir))
      expect([error.code, error.message]).toEqual(['source-unreachable', expect.stringContaining('broke')])
    } finally {
      proxy.cut()
      await far.close()
    }
  })
})

/** What a restored copy of `sakila` and `strapi` answers to a person's statements, sensible and not. */
async function askRestored(source: Source, snapshot: DrainedSnapshot, dir: string): Promise<unknown[]> {
  const questions: ReadonlyArray<Omit<CopyQuestion, 'limit' | 'timeoutMs'> & { readonly timeoutMs?: number }> = [
    { sql: 'SELECT count(*) FROM film -- of the default database' },
    { sql: 'SELECT count(*) FROM public.film;', database: 'sakila' },
    { sql: 'SELECT NULL', database: 'strapi' },
    { sql: 'SELECT 1', database: 'nowhere' },
    { sql: 'SELECT count(*) FROM nothing_there' },
    { sql: 'SELECT 1; DROP TABLE film CASCADE' },
    { sql: 'SELECT title FROM film' },
    { sql: 'SELECT pg_sleep(60)', timeoutMs: 200 },
    { sql: "SELECT nextval('film_film_id_seq')" },
    { sql: 'SELECT count(*) FROM film' },
  ]
  const answers: unknown[] = []
  const onRestored: OnRestored = async ({ query }) => {
    for (const question of questions) answers.push(await query?.({ limit: 2, timeoutMs: 10_000, ...question }))
    return []
  }
  const context = await makeContext(dir)
  await source.verify?.({ ...context, snapshot: snapshot.reader, restore: true, onRestored })
  return answers
}
