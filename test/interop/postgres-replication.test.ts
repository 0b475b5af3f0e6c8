import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { keptNameOf } from '../../src/sources/postgres/logical/database-names.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import type { KeptRequest } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, sourceOf } from '../helpers/postgres-samples.ts'

const KEEP_AS = 'before-1a2b3c4d'
const KEPT = keptNameOf('shop', KEEP_AS)

describeWithPostgres('replacing a database that others replicate from, and that replicates itself', () => {
  let test: TestCluster
  let dir = ''
  let snapshot: DrainedSnapshot

  beforeAll(async () => {
    test = await startTestCluster({ settings: ['wal_level=logical', 'max_logical_replication_workers=4'] })
    dir = await makeTempDir('lb-repl-')
    await test.createDatabase('upstream')
    await test.query('upstream', 'CREATE TABLE news (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE news')
    await test.query('upstream', "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
    await test.createDatabase('shop')
    await test.query('shop', 'CREATE TABLE news (id int PRIMARY KEY); CREATE TABLE era AS SELECT 1 AS n')
    const from = `host=${test.admin.host} port=${test.admin.port} user=postgres dbname=upstream`
    const options = "create_slot = false, slot_name = 'feed', copy_data = false"
    await test.query('shop', `CREATE SUBSCRIPTION s CONNECTION '${from}' PUBLICATION p WITH (${options})`)
    await test.query('upstream', 'INSERT INTO news VALUES (1)')
    await received('shop', [1])
    snapshot = await drain(sourceOf(test.url('shop')), dir)
    await test.query('shop', "SELECT pg_create_logical_replication_slot('outgoing', 'test_decoding')")
  })
  afterAll(async () => {
    await test.query('upstream', 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active')
    await test.close()
    await removeDir(dir)
  })

  const received = async (database: string, ids: readonly number[]): Promise<void> =>
    await vi.waitFor(
      async () => {
        const rows = await test.query<{ id: number }>(database, 'SELECT id FROM news ORDER BY 1')
        expect(rows.map(({ id }) => id)).toEqual(ids)
      },
      { timeout: 60_000, interval: 100 },
    )
  const enabled = async (): Promise<unknown> =>
    await test.query(
      'postgres',
      'SELECT datname::text AS of, subenabled AS on FROM pg_subscription JOIN pg_database d ON d.oid = subdbid ORDER BY 1',
    )
  const slots = async (): Promise<string[]> => {
    const rows = await test.query<{ name: string }>(
      'postgres',
      'SELECT slot_name::text AS name FROM pg_replication_slots',
    )
    return rows.map(({ name }) => name)
  }
  const kept = async (): Promise<KeptRequest> => ({
    ...(await makeContext(dir)),
    target: test.url('shop'),
    keptAs: KEEP_AS,
  })
  const replace = async (): Promise<RestoreOutcome> => {
    const request = { include: [], checks: true, force: true, delta: false, keepAs: KEEP_AS }
    const context = await makeContext(dir)
    const target = test.url('shop')
    return await sourceOf(target).restore({ ...context, ...request, snapshot: snapshot.reader, target })
  }

  it('is said before, and changes nothing', async () => {
    const target = test.url('shop')
    const { id, manifest } = snapshot
    const coming = { snapshot: id, sizeBytes: undefined, engineVersion: undefined, manifest }
    const { findings } = await sourceOf(target).targets.survey({ ...(await makeContext(dir)), target, coming })
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'target-has-slot', message: expect.stringContaining('slot outgoing') }),
    )
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'target-has-subscription',
        message: expect.stringContaining('subscription s will'),
      }),
    )
    expect(await slots()).toEqual(['feed', 'outgoing'])
  })

  it('leaves no slot and no receiver in what is kept, and the undo goes on where it stopped', async () => {
    await replace()
    expect(await slots()).toEqual(['feed'])
    expect(await enabled()).toEqual([
      { of: 'shop', on: false },
      { of: KEPT, on: false },
    ])
    await test.query('upstream', 'INSERT INTO news VALUES (2)')
    await sourceOf(test.url('shop')).targets.putBack(await kept())
    expect(await enabled()).toEqual([{ of: 'shop', on: true }])
    await received('shop', [1, 2])
    expect(await databasesOf(test)).not.toContain(KEPT)
    expect(
      await test.query('postgres', "SELECT FROM pg_db_role_setting, unnest(setconfig) c WHERE c LIKE 'lifeboat.%'"),
    ).toEqual([])
  })

  it('does not wake it where the restored one went on receiving, and drops what is kept with its subscription', async () => {
    await replace()
    const { targets } = sourceOf(test.url('shop'))
    await test.query('shop', 'ALTER SUBSCRIPTION s ENABLE')
    await test.query('upstream', 'INSERT INTO news VALUES (3)')
    const keepNowAs = 'before-9f9f9f9f'
    await targets.putBack({ ...(await kept()), keepNowAs })
    // It took what the one that came back would miss without a word.
    expect(await enabled()).toEqual([
      { of: 'shop', on: false },
      { of: keptNameOf('shop', keepNowAs), on: false },
    ])
    await targets.dropKept({ ...(await kept()), keptAs: keepNowAs })
    expect(await enabled()).toEqual([{ of: 'shop', on: false }])
    expect(await slots()).toEqual(['feed'])
  })
})
