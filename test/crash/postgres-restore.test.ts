import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { openSession } from '../../src/clients/postgres/index.ts'
import type { DatabaseSelection } from '../../src/sources/source.ts'
import type { KeptRequest, Settled } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { type RestoreOrder, RestoreProcess } from '../helpers/postgres-restore-process.ts'
import { databasesOf, failure, sourceOf, stateOf } from '../helpers/postgres-samples.ts'

const KEEP_AS = 'before-1a2b3c4d'

describeWithPostgres('kill -9 of a restore that replaces databases', () => {
  let test: TestCluster
  let dir = ''
  let url = ''
  let snapshot: DrainedSnapshot
  let then: unknown
  let now: unknown
  let running: RestoreProcess | undefined

  beforeAll(async () => {
    test = await startTestCluster()
    await test.query('postgres', 'CREATE ROLE keeper LOGIN CREATEDB')
  })
  afterAll(async () => await test.close())
  beforeEach(async () => {
    dir = await makeTempDir('lb-kill-')
    url = test.url('shop').replace('postgres@', 'keeper@')
    await test.createDatabase('shop')
    await test.query('postgres', 'ALTER DATABASE shop OWNER TO keeper')
    await test.query(
      'shop',
      `SET ROLE keeper; CREATE SCHEMA app; CREATE TABLE app.era (id int PRIMARY KEY, name text);
       INSERT INTO app.era SELECT i, 'then' FROM generate_series(1, 2000) i`,
    )
    snapshot = await drain(sourceOf(test.url('shop')), dir)
    then = await stateOf(test, 'shop')
    await test.query('shop', `UPDATE app.era SET name = 'now'`)
    now = await stateOf(test, 'shop')
  })
  afterEach(async () => {
    await running?.kill()
    for (const name of (await databasesOf(test)).filter(each => each.startsWith('shop'))) {
      await test.query('postgres', `DROP DATABASE "${name}" WITH (FORCE)`)
    }
    await removeDir(dir)
  })

  const start = async (holdAt: RestoreOrder['holdAt'], selection?: DatabaseSelection): Promise<RestoreProcess> => {
    const order = { options: { url, globals: false }, target: url, keepAs: KEEP_AS, holdAt }
    running = await RestoreProcess.start(dir, snapshot, { ...order, ...(selection ? { selection } : {}) })
    return running
  }
  const settle = async (more: Partial<KeptRequest> = {}): Promise<Settled> =>
    await sourceOf(url).targets.settle({ ...(await makeContext(dir)), target: url, keptAs: KEEP_AS, ...more })
  const shops = async (): Promise<string[]> => (await databasesOf(test)).filter(name => name.startsWith('shop'))

  it('before the change leaves what was there; what it had filled is removed', async () => {
    const restore = await start('before')
    await restore.reach('before')
    expect(await shops()).toHaveLength(2)
    await restore.kill()
    expect(await settle()).toEqual({ state: 'untouched', kept: [] })
    expect(await shops()).toEqual(['shop'])
    expect(await stateOf(test, 'shop')).toEqual(now)
    // Its own end may be told of, and a second time too.
    expect(await settle()).toEqual({ state: 'untouched', kept: [] })
  })

  it('after the change leaves the new one, and the old one a call away', async () => {
    const restore = await start('after')
    await restore.reach('after')
    await restore.kill()
    const kept = [{ target: 'shop', kept: 'shop_before_1a2b3c4d' }]
    expect(await settle()).toEqual({ state: 'finished', kept })
    expect(await stateOf(test, 'shop')).toEqual(then)
    const { targets } = sourceOf(url)
    await targets.putBack({ ...(await makeContext(dir)), target: url, keptAs: KEEP_AS })
    expect(await shops()).toEqual(['shop'])
    expect(await stateOf(test, 'shop')).toEqual(now)
    expect(await settle()).toEqual({ state: 'untouched', kept: [] })
  })

  it('in the middle of it, when the server alone would go on, leaves one or the other for good', async () => {
    // A superuser's session, which `keeper` can't end: the server waits for it with the renaming.
    const held = await openSession(test.admin, { database: 'shop' })
    const restore = await start('never')
    await restore.reach('before')
    const swapping = `SELECT pid FROM pg_stat_activity WHERE usename = 'keeper' AND state = 'active' AND query LIKE 'BEGIN;%RENAME TO%'`
    await vi.waitFor(async () => expect(await test.query('postgres', swapping)).toHaveLength(1), 60_000)
    await restore.kill()
    expect(await test.query('postgres', swapping)).toHaveLength(1)
    expect(await settle()).toEqual({ state: 'untouched', kept: [] })
    expect(await test.query('postgres', swapping)).toHaveLength(0)
    await held.close()
    expect(await shops()).toEqual(['shop'])
    expect(await stateOf(test, 'shop')).toEqual(now)
  })

  it('of what puts back, too, leaves one or the other for good', async () => {
    const restore = await start('after')
    await restore.reach('after')
    await restore.kill()
    const held = await openSession(test.admin, { database: 'shop' })
    const { targets } = sourceOf(url)
    const putting = failure(targets.putBack({ ...(await makeContext(dir)), target: url, keptAs: KEEP_AS }))
    const renaming = `SELECT FROM pg_stat_activity WHERE usename = 'keeper' AND state = 'active' AND query LIKE 'BEGIN;%RENAME TO%'`
    await vi.waitFor(async () => expect(await test.query('postgres', renaming)).toHaveLength(1), 60_000)
    const kept = [{ target: 'shop', kept: 'shop_before_1a2b3c4d' }]
    expect(await settle()).toEqual({ state: 'finished', kept })
    expect((await putting).code).toBe('source-unreachable')
    await held.close()
    expect(await stateOf(test, 'shop')).toEqual(then)
    expect(await shops()).toEqual(['shop', 'shop_before_1a2b3c4d'])
  })

  it('of rows leaves them as they were, and the server says so', async () => {
    const restore = await start('before', { tables: ['app.era'] })
    const { token } = await restore.reach('before')
    await restore.kill()
    expect(await settle({ token })).toEqual({ state: 'untouched', kept: [] })
    expect(await stateOf(test, 'shop')).toEqual(now)
    const again = await start('after', { tables: ['app.era'] })
    const second = await again.reach('before')
    await again.reach('after')
    await again.kill()
    expect(second.token).not.toBe(token)
    expect(await settle({ token: second.token })).toEqual({ state: 'finished', kept: [] })
    expect(await settle({ token })).toEqual({ state: 'untouched', kept: [] })
    expect(await stateOf(test, 'shop')).toEqual(then)
  })
})
