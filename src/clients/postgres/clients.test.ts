import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../../../test/helpers/postgres-cluster.ts'
import { type AppError, isAppError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import {
  BaseBackup,
  type ConnectionSettings,
  findPostgresTools,
  openSession,
  requireSuccess,
  runTool,
  startTool,
  withSession,
} from './index.ts'

const PASSWORD = 'pl4nted-s3cret/@'

async function failure(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isAppError(error)) throw new Error(`no AppError but ${String(error)}`)
  const { message, hint, stack, context } = error
  expect(JSON.stringify({ message, hint, stack, context })).not.toContain(PASSWORD)
  return error
}

describeWithPostgres('PostgreSQL clients', () => {
  let test: TestCluster
  let app: ConnectionSettings
  let dir = ''

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lb-pgc-'))
    await writeFile(join(dir, 'password'), PASSWORD, { mode: 0o644 })
    await chmod(dir, 0o755)
    test = await startTestCluster({
      initArgs: ['--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${join(dir, 'password')}`],
      listen: '127.0.0.1',
    })
    await test.query('postgres', `CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`)
    app = { ...test.admin, host: '127.0.0.1', user: 'app', password: new Secret(PASSWORD), sslMode: 'prefer' }
  })
  afterAll(async () => {
    await test.close()
    await rm(dir, { recursive: true, force: true })
  })

  it('connects with a password over TCP and says who answers', async () => {
    const session = await openSession(app)
    expect(session.versionNumber).toBeGreaterThan(130_000)
    expect(session.version).toMatch(/^\d+(\.\d+)?$/)
    expect(await session.query('SELECT $1::text AS v', ['x'])).toEqual([{ v: 'x' }])
    await session.close()
    await session.close()
  })

  it('takes the password from the pass file, without a warning, and only from a private one', async () => {
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', note)
    try {
      const passFile = join(dir, 'pgpass')
      await writeFile(passFile, `127.0.0.1:*:*:app:${PASSWORD.replaceAll(':', '\\:')}\n`, { mode: 0o600 })
      const settings = { ...app, password: undefined, passFile }
      expect(await withSession(settings, {}, s => s.query('SELECT 1 AS one'))).toEqual([{ one: 1 }])
      const psql = { tool: 'psql', args: ['-XAtc', 'SELECT 1'], settings, database: 'postgres' }
      expect((await runTool(test.clients, psql, 'ask')).trim()).toBe('1')
      await chmod(passFile, 0o644)
      await expect(withSession(settings, {}, s => s.query('SELECT 1'))).rejects.toThrow(/refuses the password/)
      await new Promise(resolve => setImmediate(resolve))
      expect(warnings).toEqual([])
    } finally {
      process.off('warning', note)
    }
  })

  it.each(['standby', 'read-only'])('refuses a primary where target_session_attrs asks for %s', async wanted => {
    const work = withSession({ ...app, targetSessionAttrs: wanted }, {}, async () => {})
    expect((await failure(work)).message).toMatch(/a primary that can be written/)
    await withSession({ ...app, targetSessionAttrs: 'read-write' }, {}, async () => {})
  })

  const wrong: Array<[string, Partial<ConnectionSettings>, RegExp]> = [
    ['a wrong password', { password: new Secret('nope') }, /refuses the password of user app/],
    ['no password', { password: undefined }, /refuses the password/],
    ['a missing database', { database: 'nowhere' }, /no database nowhere/],
    ['a port where nobody listens', { port: 1 }, /nobody answers/],
    ['an unknown host', { host: 'no-such-host.invalid' }, /not known|did not answer|nobody/],
    ['a missing socket folder', { host: '/nonexistent' }, /nobody answers/],
  ]
  for (const [what, change, message] of wrong) {
    it(`says what to do about ${what}, driver and tool alike`, async () => {
      const settings = { ...app, ...change }
      const tools = test.tools
      const byDriver = await failure(openSession(settings))
      const byTool = await failure(
        runTool(tools, { tool: 'pg_dump', args: ['--schema-only'], settings }, 'read the schema'),
      )
      for (const error of [byDriver, byTool]) {
        expect(error.code).toBe('source-unreachable')
        expect(error.message).toMatch(message)
        expect(error.hint).toBeTruthy()
      }
    })
  }

  it('names the mend for a role without REPLICATION', async () => {
    const args = ['-D', join(dir, 'base'), '-X', 'none']
    const signal = new AbortController().signal
    const ask = { settings: app, versionNumber: 150_000, label: 'x', signal }
    for (const attempt of [
      () => runTool(test.tools, { tool: 'pg_basebackup', args, settings: app }, 'copy the cluster'),
      () => BaseBackup.start(ask),
    ]) {
      const error = await failure(attempt())
      expect(error.message).toMatch(/may not replicate|no replication connection/)
      expect(error.hint).toMatch(/ALTER ROLE "app" WITH REPLICATION|pg_hba/)
    }
  })

  it('never puts the password on a command line', async () => {
    const child = await startTool(test.tools, { tool: 'psql', args: ['-Xc', 'SELECT pg_sleep(1)'], settings: app })
    const { readFile } = await import('node:fs/promises')
    const line = await readFile(`/proc/${child.pid}/cmdline`, 'utf8')
    expect(line).toContain('pg_sleep')
    expect(line).not.toContain(PASSWORD)
    await child.stop()
  })

  it('ends a query and a tool at once when told to', async () => {
    const abort = new AbortController()
    const session = await openSession(app, { signal: abort.signal })
    const sleeping = failure(session.query('SELECT pg_sleep(60)'))
    const running = failure(
      runTool(
        test.tools,
        { tool: 'psql', args: ['-Xc', 'SELECT pg_sleep(60)'], settings: app, signal: abort.signal },
        'x',
      ),
    )
    setTimeout(() => abort.abort(), 100)
    expect((await sleeping).code).toBe('interrupted')
    expect((await running).code).toBe('interrupted')
    await session.close()
  })

  it('refuses programs older than the server, or none', async () => {
    const server = { versionNumber: 150_018, version: '15.18' }
    const script = join(dir, 'pg_dump')
    await writeFile(script, '#!/bin/sh\necho "pg_dump (PostgreSQL) 12.9"\n', { mode: 0o755 })
    const older = await failure(findPostgresTools(server, dir))
    expect(older.code).toBe('tool-missing')
    expect(older.message).toContain('pg_dump 12.9')
    expect(older.message).toContain('older than the server (15.18)')
    expect(older.hint).toContain('postgresql-client-15')
    await rm(script)
    expect((await failure(findPostgresTools(server, dir))).message).toContain('not installed')
  })

  it("picks the server's own version, else the newest", async () => {
    const { versionNumber, version } = await withSession(app, {}, async s => s)
    expect((await findPostgresTools({ versionNumber, version })).major).toBe(Math.floor(versionNumber / 10_000))
    expect((await findPostgresTools({ versionNumber: 100_000, version: '10.0' })).binDir).toBeTruthy()
  })

  it('tells a tool that was killed', async () => {
    const child = await startTool(test.tools, { tool: 'psql', args: ['-Xc', 'SELECT pg_sleep(60)'], settings: app })
    child.kill('SIGKILL')
    const exit = await child.wait()
    expect(() => requireSuccess(child, exit, { settings: app, tool: 'psql' }, 'sleep')).toThrow(/killed by SIGKILL/)
  })
})
