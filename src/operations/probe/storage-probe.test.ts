import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemClock } from '../../base/clock.ts'
import { collect } from '../../base/collect.ts'
import { PROBE_CONTENT, PROBE_KEY, PROBE_SHA256 } from '../../model/probe-object.ts'
import { createRepository } from '../../repository/index.ts'
import type { LoadOptions, SaveOptions, StorageCallOptions } from '../../storage/storage.ts'
import { type FailedCall, type StorageErrorCode, storageError } from '../../storage/storage-error.ts'
import { type Probed, type ProbeReport, probeStorage } from './storage-probe.ts'

/** A server that refuses or fakes what it is told to. */
class Server extends MemoryStorage {
  /** What it answers instead; undefined: what it is asked for. */
  refusal: (verb: FailedCall['verb'], key: string) => StorageErrorCode | undefined = () => undefined
  passesConditionsOver = false
  isLocked = false
  lies: ((content: Buffer) => Buffer) | undefined
  readonly changed = new Set<string>()

  #refuse(verb: FailedCall['verb'], key: string): void {
    const code = this.refusal(verb, key)
    if (code !== undefined) throw storageError(code, { verb, key, location: this.location })
  }

  override listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    this.#refuse('list', prefix)
    return super.listKeys(prefix, options)
  }

  override async load(key: string, options?: LoadOptions): Promise<Buffer> {
    this.#refuse('read', key)
    const content = await super.load(key, options)
    return this.lies?.(content) ?? content
  }

  override async save(
    key: string,
    content: Uint8Array | readonly Uint8Array[],
    options: SaveOptions = {},
  ): Promise<void> {
    this.#refuse('write', key)
    if (this.isLocked && (await super.find(key))) this.#deny('write', key)
    this.changed.add(key)
    await super.save(key, content, { ...options, ifAbsent: options.ifAbsent && !this.passesConditionsOver })
  }

  override async remove(key: string, options?: StorageCallOptions): Promise<void> {
    this.#refuse('remove', key)
    if (this.isLocked) this.#deny('remove', key)
    this.changed.add(key)
    await super.remove(key, options)
  }

  #deny(verb: FailedCall['verb'], key: string): never {
    throw storageError('storage-denied', { verb, key, location: this.location })
  }
}

const start = async (...init: ConstructorParameters<typeof MemoryStorage>): Promise<Server> => {
  const started = new Server(...init)
  await started.save('config', Buffer.from('a repository'))
  started.changed.clear()
  return started
}
let server: Server
beforeEach(async () => {
  server = await start()
})

const probe = (): Promise<ProbeReport> => probeStorage(server, { clock: systemClock, withoutConditions: 'Set it.' })
const statusOf = ({ checks }: ProbeReport): Partial<Record<Probed, string>> =>
  Object.fromEntries(checks.map(({ name, status }) => [name, status]))
const keysOf = (): Promise<string[]> => collect(MemoryStorage.prototype.listKeys.call(server, ''))

test('the probe’s object is named by its hash, as a pack is', () => {
  expect(createHash('sha256').update(PROBE_CONTENT).digest('hex')).toBe(PROBE_SHA256)
})

test('a storage that does all there is lets all be done, and nothing is left there', async () => {
  const report = await probe()
  expect(report).toMatchObject({ canRestore: true, canBackUp: true, canDelete: true })
  expect(statusOf(report)).toEqual({
    list: 'ok',
    write: 'ok',
    read: 'ok',
    range: 'ok',
    clock: 'ok',
    conditions: 'ok',
    overwrite: 'ok',
    delete: 'ok',
    space: 'unknown',
  })
  expect(await keysOf()).toEqual(['config'])
})

test('where there is no repository nothing is stored', async () => {
  server = new Server()
  expect(statusOf(await probe())).toMatchObject({ list: 'ok', read: 'unknown' })
  expect([...server.changed]).toEqual([])
})

test('an existing repository is not touched', async () => {
  server = new Server()
  const clock = new SteppedClock()
  await (await createRepository(server, engineOptions(clock))).close()
  server.changed.clear()
  const before = await keysOf()
  expect(statusOf(await probe())).toMatchObject({ read: 'ok', write: 'ok', delete: 'ok' })
  expect([...server.changed]).toEqual([PROBE_KEY])
  // `close` of a memory storage forgets nothing.
  expect(await keysOf()).toEqual(before)
})

describe('credentials that may not', () => {
  test('write are good for restores alone', async () => {
    server.refusal = verb => (verb === 'write' || verb === 'remove' ? 'storage-denied' : undefined)
    const report = await probe()
    expect(report).toMatchObject({ canRestore: true, canBackUp: false, canDelete: false })
    expect(report.checks.find(({ name }) => name === 'write')).toMatchObject({
      status: 'missing',
      detail: expect.stringContaining('access is denied'),
      fix: expect.stringContaining('credentials'),
    })
    expect(await keysOf()).toEqual(['config'])
  })

  test('read are good for nothing', async () => {
    server.refusal = verb => (verb === 'read' ? 'storage-denied' : undefined)
    expect(await probe()).toMatchObject({ canRestore: false, canBackUp: false, canDelete: false })
    expect(await keysOf()).toEqual(['config'])
  })

  test('list are good for nothing', async () => {
    server.refusal = verb => (verb === 'list' ? 'storage-denied' : undefined)
    expect(await probe()).toMatchObject({ canRestore: false, canBackUp: false })
  })

  test('delete are good for backups, however often it is looked', async () => {
    server.isLocked = true
    for (const time of ['first', 'second']) {
      const report = await probe()
      expect(report, time).toMatchObject({ canBackUp: time === 'first' ? true : undefined, canDelete: false })
      const first = { write: 'ok', conditions: 'ok', overwrite: 'missing', delete: 'missing' }
      expect(statusOf(report), time).toMatchObject(time === 'first' ? first : { write: 'unknown', delete: 'missing' })
      expect(await keysOf(), time).toEqual(['config', PROBE_KEY])
    }
  })
})

test('what a killed probe left is taken away', async () => {
  await server.save(PROBE_KEY, Buffer.from('half'))
  expect(statusOf(await probe())).toMatchObject({ write: 'ok', read: 'ok', delete: 'ok' })
  expect(await keysOf()).toEqual(['config'])
})

test('a service that passes conditions over is found out, and what helps is said', async () => {
  server.passesConditionsOver = true
  const report = await probe()
  expect(report.checks).toContainEqual(
    expect.objectContaining({ name: 'conditions', status: 'missing', fix: 'Set it.' }),
  )
  expect(report.canBackUp).toBe(true)
})

test('a server that gives other bytes than it got is no place for backups', async () => {
  server.lies = content => Buffer.concat([content.subarray(1), Buffer.from('x')])
  expect(statusOf(await probe())).toMatchObject({ read: 'missing', range: 'missing' })
  expect((await probe()).canRestore).toBe(false)
})

test('a clock that is another is said', async () => {
  server = await start('memory:', () => new Date(Date.now() - 600_000))
  const { checks } = await probe()
  expect(checks).toContainEqual(
    expect.objectContaining({
      name: 'clock',
      status: 'missing',
      detail: expect.stringMatching(/^its clock is (599|600) s behind ours$/),
    }),
  )
})

test('a server that is away is no answer, and nothing else is tried', async () => {
  server.refusal = () => 'storage-failed'
  const report = await probe()
  expect(statusOf(report)).toEqual({ list: 'unknown' })
  expect(report).toMatchObject({ canRestore: undefined, canBackUp: undefined })
})

test('an interrupt ends it', async () => {
  const signal = AbortSignal.abort()
  await expect(probeStorage(server, { clock: systemClock, signal })).rejects.toMatchObject({ code: 'interrupted' })
})

test('a storage for files of restic alone needs another one for logs', async () => {
  server = await start('memory:', undefined, { keys: 'restic', overwrites: false })
  expect(statusOf(await probe())).toMatchObject({ keys: 'missing', delete: 'ok' })
})
