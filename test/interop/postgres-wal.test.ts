import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { AppError, isAppError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { withSession } from '../../src/clients/postgres/index.ts'
import { fetchFile, type LogFileFetch } from '../../src/operations/logs/fetch.ts'
import { type LogPush, pushFile } from '../../src/operations/logs/push.ts'
import { type LogReceiveProgress, receiveFiles } from '../../src/operations/logs/receive.ts'
import { LogSpool } from '../../src/operations/logs/spool.ts'
import type { SealedLogStore } from '../../src/repository/logs/log-store.ts'
import { walFormat } from '../../src/sources/postgres/physical/log/log-format.ts'
import { PostgresLog } from '../../src/sources/postgres/physical/log/postgres-log.ts'
import { makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { makeLogStore } from '../helpers/log-store.ts'
import { MemoryStorage } from '../helpers/memory-storage.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

const keys = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) }

/** A storage that is away for a while. */
class MoodyStorage extends MemoryStorage {
  away = false
  override async save(...args: Parameters<MemoryStorage['save']>): Promise<void> {
    if (this.away) throw new AppError('storage-failed', 'the storage is away')
    await super.save(...args)
  }
}

describeWithPostgres('the log of a cluster', () => {
  let test: TestCluster
  let storage: MoodyStorage
  let store: SealedLogStore
  let dir = ''
  let system = ''

  beforeAll(async () => {
    test = await startTestCluster({
      initArgs: ['--auth=trust', '--wal-segsize=1'],
      settings: ['wal_keep_size=256MB', 'archive_mode=on', 'archive_command=false', 'max_wal_size=1GB'],
    })
    await test.query('postgres', 'CREATE TABLE t (n serial, v text)')
    const [row] = await test.query<{ id: string }>(
      'postgres',
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    )
    system = row?.id ?? ''
  })
  afterAll(async () => await test.close())
  beforeEach(async () => {
    dir = await makeTempDir('lb-wal-')
    storage = new MoodyStorage()
    store = makeLogStore(storage, keys)
  })
  afterEach(async () => await removeDir(dir))

  const wal = (): string => join(test.cluster.dataDir, 'pg_wal')
  /** Fills so many segments, and returns their names. */
  const fill = async (count: number): Promise<string[]> => {
    const names: string[] = []
    for (let i = 0; i < count; i++) {
      await test.query('postgres', 'INSERT INTO t (v) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 50) n')
      const [row] = await test.query<{ name: string }>('postgres', 'SELECT pg_walfile_name(pg_switch_wal()) AS name')
      names.push(row?.name ?? '')
    }
    return names
  }
  const log = () => ({ kind: 'postgres-cluster', id: system })
  const names = async (): Promise<string[]> => {
    const all: string[] = []
    for await (const { name, unfinished } of store.list(log())) all.push(unfinished ? `${name}.partial` : name)
    return all.toSorted()
  }
  const common = (): Omit<LogPush & LogFileFetch, 'path' | 'name' | 'destination'> => ({
    openStores: async () => [store],
    format: walFormat,
    kind: 'postgres-cluster',
    id: system,
    log: log(),
    spool: new LogSpool(join(dir, 'spool'), system, 'test'),
    clock: systemClock,
    logger: silentLogger,
    signal: new AbortController().signal,
  })

  it('pushes a file, and those that wait, ahead of being asked', async () => {
    const filled = await fill(4)
    const [first = '', second = ''] = filled
    const result = await pushFile({ ...common(), path: join(wal(), first) })
    expect(result).toMatchObject({ name: first, outcome: 'stored' })
    expect(result.ahead).toBeGreaterThanOrEqual(3)
    expect(await names()).toEqual(expect.arrayContaining(filled))
    storage.away = true
    // The note is enough: nothing is stored twice, and nothing asked of the storage.
    expect(await pushFile({ ...common(), path: join(wal(), second) })).toMatchObject({ outcome: 'same', ahead: 0 })
  })

  it('says so when the storage is away, whatever was noted of other files', async () => {
    const [first = ''] = await fill(1)
    storage.away = true
    const error = await pushFile({ ...common(), path: join(wal(), first) }).catch((reason: unknown) => reason)
    expect(isAppError(error, 'storage-failed')).toBe(true)
  })

  it('refuses what is not the segment that its name says', async () => {
    const [first = '', second = ''] = await fill(2)
    const copy = join(dir, second)
    await writeFile(copy, await readFile(join(wal(), first)))
    const wrong = await pushFile({ ...common(), path: copy }).catch((reason: unknown) => reason)
    expect(isAppError(wrong, 'source-invalid')).toBe(true)
    const cut = join(dir, first)
    await writeFile(cut, await readFile(join(wal(), first)))
    await truncate(cut, 4096)
    const short = await pushFile({ ...common(), path: cut }).catch((reason: unknown) => reason)
    expect(isAppError(short, 'source-invalid')).toBe(true)
    const foreign = { ...common(), id: '123' }
    const other = await pushFile({ ...foreign, path: join(wal(), first) }).catch((reason: unknown) => reason)
    expect(isAppError(other, 'source-invalid')).toBe(true)
    expect(await names()).toEqual([])
  })

  it('fetches, ahead too, and tells a missing file from a fault', async () => {
    const filled = await fill(3)
    for (const name of filled) await pushFile({ ...common(), spool: undefined, path: join(wal(), name) })
    const [first = '', second = ''] = filled
    const destination = join(dir, 'RECOVERYXLOG')
    expect(await fetchFile({ ...common(), name: first, destination })).toBe('fetched')
    const same = async (name: string): Promise<boolean> =>
      (await readFile(destination)).equals(await readFile(join(wal(), name)))
    expect(await same(first)).toBe(true)
    const nowhere = { ...common(), openStores: async () => [] }
    expect(await fetchFile({ ...nowhere, name: second, destination })).toBe('fetched')
    expect(await same(second)).toBe(true)
    expect(await fetchFile({ ...common(), name: '0000000900000000000000AA', destination })).toBe('missing')
    expect(await fetchFile({ ...common(), name: '00000009.history', destination })).toBe('missing')
  })

  it('receives the log by a slot, with the unfinished segment, through a storage that is away for a while', async () => {
    const log = new PostgresLog({ connection: async () => test.admin, slot: 'lb_test' })
    const abort = new AbortController()
    const progress: LogReceiveProgress[] = []
    const context = await makeContext(dir, abort.signal)
    // What pg_receivewal leaves of a new segment when the disk is full.
    const [now] = await test.query<{ name: string }>('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn()) AS name')
    const received = join(dir, 'keep', system, 'received')
    await mkdir(received, { recursive: true })
    await writeFile(join(received, `${now?.name}.partial`), Buffer.alloc(500_000))
    const receiving = receiveFiles({
      ...context,
      source: 'shop',
      kind: 'postgres-cluster',
      format: walFormat,
      log,
      stores: [store],
      folder: join(dir, 'keep'),
      intervalMs: 50,
      onProgress: each => progress.push(each),
    })
    try {
      await vi.waitFor(async () => expect((await log.inspect(context)).hold?.active).toBe(true), { timeout: 60_000 })
      const filled = await fill(2)
      await vi.waitFor(async () => expect(await names()).toEqual(expect.arrayContaining(filled)), { timeout: 60_000 })
      storage.away = true
      const more = await fill(3)
      await vi.waitFor(() => expect(progress.at(-1)?.waitingFiles).toBeGreaterThanOrEqual(3), { timeout: 60_000 })
      expect(progress.at(-1)?.storageFailure).toBe('the storage is away')
      expect(progress.at(-1)?.waitingBytes).toBeGreaterThanOrEqual(3 << 20)
      storage.away = false
      await vi.waitFor(async () => expect(await names()).toEqual(expect.arrayContaining([...filled, ...more])), {
        timeout: 60_000,
      })
      // Seconds after it was written, what is in no finished segment is stored too.
      await test.query('postgres', "INSERT INTO t (v) VALUES ('the newest')")
      await vi.waitFor(async () => expect((await names()).some(name => name.endsWith('.partial'))).toBe(true), {
        timeout: 60_000,
      })
      const state = await log.inspect(context)
      expect(state).toMatchObject({ id: system, branch: 1, hold: { name: 'lb_test', active: true } })
      expect(state.archiver?.lastFailed).toBeDefined()
      const left = (await readdir(join(dir, 'keep', system, 'received'))).filter(name => /^[0-9A-F]{24}$/.test(name))
      expect(left.length).toBeLessThanOrEqual(2)
    } finally {
      abort.abort()
      await receiving
    }
    await withSession(test.admin, {}, async s => {
      await vi.waitFor(async () => await s.query("SELECT pg_drop_replication_slot('lb_test')"), { timeout: 60_000 })
    })
  })

  it('goes on when the server was away, and gives up on what waiting does not mend', async () => {
    const missing = new PostgresLog({ connection: async () => test.admin, slot: 'lb_test', binDir: join(dir, 'none') })
    await mkdir(join(dir, 'none'))
    await mkdir(join(dir, 'keep'))
    const owner = { source: 'shop', kind: 'postgres-cluster', format: walFormat }
    const request = { ...owner, stores: [store], folder: join(dir, 'keep'), intervalMs: 50 }
    const error = await receiveFiles({ ...(await makeContext(dir)), ...request, log: missing }).catch((e: unknown) => e)
    expect(isAppError(error, 'tool-missing')).toBe(true)
    let asked = 0
    const abort = new AbortController()
    await receiveFiles({
      ...(await makeContext(dir, abort.signal)),
      ...request,
      clock: { ...systemClock, sleep: async () => {} },
      log: {
        inspect: async () => {
          if (++asked < 3) throw new AppError('source-unreachable', 'away')
          return await missing.inspect(await makeContext(dir))
        },
        receive: async () => {
          if (++asked > 6) abort.abort()
          throw new AppError('source-unreachable', 'gone')
        },
      },
    })
    expect(asked).toBe(7)
  })
})
