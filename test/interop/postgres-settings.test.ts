import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runTool, withSession } from '../../src/clients/postgres/index.ts'
import { merge } from '../../src/operations/merge/merge.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { ownerOf, run } from '../helpers/physical-backups.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { sourceOf } from '../helpers/postgres-samples.ts'

/** Each would keep a server of ours from starting, or let it wait for ever. A running one does not mind: it reads none. */
const HOSTILE = {
  shared_preload_libraries: 'not_installed_here',
  session_preload_libraries: 'nor_this',
  local_preload_libraries: 'nor_that',
  huge_pages: 'on',
  shared_buffers: '900GB',
  min_wal_size: '128MB',
  max_wal_size: '128MB',
  max_connections: '40',
  superuser_reserved_connections: '39',
  max_prepared_transactions: '120',
  track_commit_timestamp: 'on',
  unix_socket_group: 'no_such_group',
  unix_socket_directories: '/nonexistent',
  external_pid_file: '/nonexistent/pid',
  synchronous_standby_names: 'a_standby_that_is_gone',
  recovery_min_apply_delay: '1d',
  primary_conninfo: 'host=nowhere.invalid',
  ssl: 'on',
  ssl_cert_file: '/nonexistent/cert',
  logging_collector: 'on',
  archive_mode: 'on',
  default_transaction_read_only: 'on',
}

/** `ALTER ROLE` and `ALTER DATABASE` may set them: for the application, not for us. */
const FOR_THE_APPLICATION = {
  default_transaction_read_only: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  quote_all_identifiers: 'on',
  DateStyle: 'German',
  IntervalStyle: 'sql_standard',
  extra_float_digits: '-5',
  bytea_output: 'escape',
  statement_timeout: '100ms',
  idle_in_transaction_session_timeout: '100ms',
  lock_timeout: '1ms',
  row_security: 'off',
  search_path: 'nowhere',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
  session_replication_role: 'replica',
  TimeZone: 'Asia/Kathmandu',
}

describeWithPostgres('a cluster whose settings fit no other machine', () => {
  let test: TestCluster
  let source: PhysicalSource
  let snapshot: DrainedSnapshot
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster({
      initArgs: ['--auth=trust', '--wal-segsize=64'],
      settings: [
        'min_wal_size=128MB',
        'full_page_writes=on',
        'track_commit_timestamp=on',
        'max_prepared_transactions=120',
        'archive_mode=off',
      ],
    })
    source = new PhysicalSource('shop', { connection: async () => test.admin })
    await test.query('postgres', 'CREATE TABLE t AS SELECT pg_current_xact_id()::text AS xid')
    await withSession(test.admin, {}, async session => {
      for (let n = 0; n < 110; n++) {
        await session.query(`BEGIN; CREATE TABLE public.p${n} (); PREPARE TRANSACTION 'p${n}'`)
      }
      for (const [name, value] of Object.entries(HOSTILE)) await session.query(`ALTER SYSTEM SET ${name} = '${value}'`)
    })
    dir = await makeTempDir('lb-set-')
    await run('chmod', ['755', dir])
    snapshot = await drain(source, dir)
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })

  it('is verified by a server of ours', async () => {
    const { checks } = await source.verify({ ...(await makeContext(dir)), snapshot: snapshot.reader, restore: true })
    expect(checks).toContainEqual(expect.objectContaining({ name: 'recovery', passed: true }))
  })

  it('is started, without what is not on this machine, and says so', async () => {
    const target = join(dir, 'copy')
    const request = { include: [], checks: true, force: false, delta: false, own: { start: true } }
    const outcome = await source.restore({ ...(await makeContext(dir)), ...request, snapshot: snapshot.reader, target })
    try {
      expect(outcome.findings).toContainEqual(
        expect.objectContaining({ code: 'settings-left-out', message: expect.stringContaining('not_installed_here') }),
      )
      const settings = { ...test.admin, host: outcome.started?.socketDir ?? '', port: outcome.started?.port ?? 0 }
      const rows = await withSession(settings, {}, async session => {
        await session.query('SET default_transaction_read_only = off')
        // Commits wait for no standby, and when transactions committed is still known.
        await session.query('INSERT INTO public.t VALUES (0)')
        return await session.query(
          `SELECT pg_xact_commit_timestamp(xid::xid) IS NOT NULL AS kept, (SELECT count(*)::int FROM pg_prepared_xacts) AS prepared,
             current_setting('data_directory') AS dir FROM public.t WHERE xid <> '0'`,
        )
      })
      expect(rows).toEqual([{ kept: true, prepared: 110, dir: target }])
    } finally {
      const args = ['-D', target, '-m', 'immediate', 'stop']
      const owner = (await ownerOf(target)) ?? {}
      await runTool(test.tools, { tool: 'pg_ctl', args, settings: undefined, cwd: '/', ...owner }, 'stop the copy')
      await rm(target, { recursive: true, force: true })
    }
  })

  it('is captured, checked and replaced whatever its databases have set for the application', async () => {
    await test.createDatabase('shop')
    await test.query(
      'shop',
      `CREATE TABLE kinds (id int PRIMARY KEY, f float8, b bytea, d date, i interval, t text);
       INSERT INTO kinds VALUES (1, 0.1::float8 + 0.2, '\\x00ff5c', '2026-02-03', '1 day 02:03:04', 'back\\slash ä');
       CREATE VIEW plain AS SELECT k.id, k.t FROM kinds k WHERE k.f > 0; CREATE INDEX ON kinds (lower(t)) WHERE id > 0`,
    )
    const rows = async (): Promise<unknown> =>
      await test.query('shop', 'SELECT k::text AS row FROM kinds k ORDER BY id')
    const before = await rows()
    await withSession(test.admin, {}, async session => {
      for (const [name, value] of Object.entries(FOR_THE_APPLICATION)) {
        await session.query(`ALTER DATABASE shop SET ${name} = '${value}'`)
      }
    })
    const shop = sourceOf(test.url('shop'))
    const captured = await drain(shop, dir)
    expect(captured.manifest.findings ?? []).toEqual([])
    const context = await makeContext(dir)
    const { checks } = await shop.verify({ ...context, snapshot: captured.reader, restore: true })
    expect(checks.filter(check => !check.passed)).toEqual([])
    await test.query('shop', 'SET default_transaction_read_only = off; DELETE FROM kinds')
    const request = { include: [], checks: true, force: true, delta: false, keepAs: 'before-1a2b3c4d' }
    const restored = await shop.restore({ ...context, ...request, snapshot: captured.reader, target: test.url('shop') })
    expect(restored.checks.filter(check => !check.passed)).toEqual([])
    expect(restored.findings).toEqual([])
    expect(await rows()).toEqual(before)
  })

  it('is captured and merged into by a role that has them set for itself, with its triggers', async () => {
    await test.createDatabase('mail')
    await test.query(
      'mail',
      `CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE log (id serial PRIMARY KEY, what text);
       CREATE TABLE mails (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users, sent timestamptz, f float8, d date);
       INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob'); INSERT INTO mails VALUES (1, 1, now(), 0.1::float8 + 0.2, '2026-02-03'), (2, 2, now(), 2, NULL);
       CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.log (what) VALUES (NEW.id::text); RETURN NEW; END $$;
       CREATE TRIGGER note AFTER INSERT ON mails FOR EACH ROW EXECUTE FUNCTION note()`,
    )
    await withSession(test.admin, {}, async session => {
      await session.query('CREATE ROLE chief SUPERUSER LOGIN')
      for (const [name, value] of Object.entries(FOR_THE_APPLICATION)) {
        if (name !== 'search_path') await session.query(`ALTER ROLE chief SET ${name} = '${value}'`)
      }
    })
    const options = postgresOptions.parse({ url: test.url('mail').replace('postgres@', 'chief@') })
    const mail = new LogicalSource('mail', options, { baseDir: dir })
    const captured = await drain(mail, dir)
    expect(captured.manifest.findings ?? []).toEqual([])
    const rows = async (): Promise<unknown> => await test.query('mail', 'SELECT m::text FROM mails m ORDER BY id')
    const before = await rows()
    await test.query('mail', 'DELETE FROM mails WHERE id = 1; DELETE FROM users WHERE id = 1')
    const context = await makeContext(dir)
    const rules = { tables: {}, references: {}, triggers: true }
    const merged = await merge({ ...context, source: mail, snapshot: captured.reader, rules, dryRun: false })
    expect(merged.tables.map(table => [table.table, table.added])).toEqual(
      expect.arrayContaining([
        ['users', 1],
        ['mails', 1],
      ]),
    )
    expect(await rows()).toEqual(before)
    expect(await test.query('mail', 'SELECT what FROM log')).toEqual([{ what: '1' }])
  })
})
