import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backUp, contentOf, engineOptions, PASSWORD, readBack, SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemClock } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import type { Storage } from '../../storage/storage.ts'
import type { ReadableContent } from '../contract/writing.ts'
import { Cipher } from '../crypto/cipher.ts'
import { openKeyFile } from '../crypto/password.ts'
import { openZstd } from '../crypto/zstd.ts'
import { RepositoryFiles } from '../files/repository-files.ts'
import { formatLockFile } from '../format/lock-file.ts'
import { createRepository, openRepository } from '../index.ts'
import { listKeyIds, loadKeyFile } from '../key/key-ring.ts'
import type { Repository } from '../repository.ts'

const live = new AbortController().signal
const create = (storage: Storage = new MemoryStorage(), workers = 1, version: 1 | 2 = 2): Promise<Repository> =>
  createRepository(storage, { ...engineOptions(new SteppedClock()), workers, version })

async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys(prefix)) keys.push(key)
  return keys
}

async function sizeOf(storage: Storage, prefix: string): Promise<number> {
  let bytes = 0
  for await (const object of storage.list(prefix)) bytes += object.sizeBytes
  return bytes
}

describe.each([1, 2] as const)('version %d', version => {
  const cut = fc.oneof(
    fc.constant({ kind: 'content' } as const),
    fc.constantFrom(512, 4096, 65_536, 1 << 20, 2 << 20).map(blockBytes => ({ kind: 'fixed', blockBytes }) as const),
  )

  test('any contents come back as they were, cut in any way, several at once', async () => {
    const repository = await create(new MemoryStorage(), 2, version)
    const size = fc.oneof(fc.nat(5000), fc.constantFrom(1 << 20, (1 << 20) + 1, 262_144, 3_500_000, 6_300_001))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(size, fc.nat(3)), { minLength: 1, maxLength: 4 }),
        cut,
        async (shapes, how) => {
          const contents = shapes.map(([bytes, kind]) => makeBytes(bytes, kind))
          const writing = await repository.startWriting({ signal: live })
          const written = await Promise.all(
            contents.map(bytes => writing.writeContent(contentOf(bytes, how), { sha256: true })),
          )
          await writing.saveSnapshot(snapshotOf(await writing.saveTree([])))
          for (const [i, bytes] of contents.entries()) {
            const parts: Buffer[] = []
            for await (const part of repository.readContent(written[i]?.content ?? [])) parts.push(Buffer.from(part))
            expect(Buffer.concat(parts).equals(bytes)).toBe(true)
            expect(written[i]?.sizeBytes).toBe(bytes.length)
            expect(written[i]?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
            for (const id of written[i]?.content ?? [])
              expect((await repository.loadBlob('data', id)).length).toBeLessThan((4 << 20) | 1)
          }
        },
      ),
      { numRuns: 4 },
    )
    await repository.close()
  })
})

function makeBytes(bytes: number, kind: number): Buffer {
  if (kind === 0) return Buffer.alloc(bytes)
  return kind === 1 ? Buffer.alloc(bytes, 'a line of text\n') : randomBytes(bytes)
}

const snapshotOf = (tree: string) => ({
  time: new Date(0),
  tree,
  paths: ['/x'],
  hostname: 'h',
  username: 'u',
  tags: [],
})

test('what is there already is not stored again, within a run and between runs', async () => {
  const storage = new MemoryStorage()
  const repository = await create(storage)
  const bytes = randomBytes(300_000)
  await backUp(repository, { a: bytes, b: bytes })
  const once = await sizeOf(storage, 'data/')
  expect(once).toBeLessThan(310_000)
  await backUp(repository, { a: bytes, c: bytes })
  expect((await sizeOf(storage, 'data/')) - once).toBeLessThan(4000)
})

test('a byte put in front changes few chunks', async () => {
  const storage = new MemoryStorage()
  const repository = await create(storage, 2)
  const bytes = randomBytes(12_000_000)
  const cut = { kind: 'content' } as const
  await backUp(repository, { a: bytes }, live, { cut })
  const once = await sizeOf(storage, 'data/')
  await backUp(repository, { a: Buffer.concat([Buffer.from('x'), bytes]) }, live, { cut })
  expect((await sizeOf(storage, 'data/')) - once).toBeLessThan(4_500_000)
  await repository.close()
})

test('hasContent knows what is in the index and what is under way', async () => {
  const repository = await create()
  const writing = await repository.startWriting({ signal: live })
  const { content } = await writing.writeContent(contentOf(randomBytes(20_000), { kind: 'fixed', blockBytes: 4096 }))
  expect(await writing.hasContent(content)).toBe(true)
  expect(await writing.hasContent([...content, '0'.repeat(64)])).toBe(false)
  await writing.saveSnapshot(snapshotOf(await writing.saveTree([])))
  const next = await repository.startWriting({ signal: live })
  expect(await next.hasContent(content)).toBe(true)
  await next.abort()
})

test('packs come before the index, the index before the snapshot, and the lock is gone at the end', async () => {
  const storage = new FaultyStorage(new MemoryStorage())
  const repository = await create(storage)
  await backUp(repository, { a: randomBytes(200_000) })
  const saved = storage.calls.filter(({ method }) => method === 'save').map(({ key }) => key.split('/')[0])
  expect(saved.slice(2)).toEqual(['locks', 'data', 'data', 'index', 'snapshots'])
  expect(await keysOf(storage, 'locks/')).toEqual([])
})

test('many small contents share packs', async () => {
  const storage = new MemoryStorage()
  const repository = await create(storage)
  const files = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`f${i}`, Buffer.from(`content ${i}`)]))
  const snapshot = await backUp(repository, files, live, { cut: { kind: 'content' } })
  expect((await keysOf(storage, 'data/')).length).toBe(2)
  expect(await readBack(repository, snapshot)).toEqual(files)
})

test('after a disk that was full the next run passes', async () => {
  const inner = new MemoryStorage()
  const storage = new FaultyStorage(inner)
  const repository = await create(storage)
  storage.faults = { capacityBytes: 3_000_000 }
  const files = { a: randomBytes(24_000_000) }
  await expect(backUp(repository, files)).rejects.toMatchObject({ code: 'storage-full' })
  expect(await keysOf(inner, 'snapshots/')).toEqual([])
  storage.faults = {}
  expect(await keysOf(inner, 'locks/')).toEqual([])
  const { a } = await readBack(repository, await backUp(repository, files))
  expect(a?.equals(files.a)).toBe(true)
  await repository.close()
})

test('stops soon when told to, releases its lock, stores no snapshot', async () => {
  const storage = new MemoryStorage()
  const repository = await createRepository(storage, engineOptions(systemClock))
  const stop = new AbortController()
  const writing = await repository.startWriting({ signal: stop.signal })
  const endless: ReadableContent = {
    sizeBytes: undefined,
    cut: { kind: 'fixed', blockBytes: 4096 },
    read: async into => randomBytes(into.length).copy(into),
  }
  const writes = Promise.allSettled(Array.from({ length: 5 }, () => writing.writeContent(endless)))
  await new Promise(resolve => setTimeout(resolve, 100))
  const from = performance.now()
  stop.abort()
  for (const { status } of await writes) expect(status).toBe('rejected')
  await expect(writing.saveSnapshot(snapshotOf('0'.repeat(64)))).rejects.toMatchObject({ code: 'interrupted' })
  expect(performance.now() - from).toBeLessThan(1000)
  expect(await keysOf(storage, 'locks/')).toEqual([])
  expect(await keysOf(storage, 'snapshots/')).toEqual([])
  await repository.close()
})

test('a content that cannot be read spoils nothing for the others', async () => {
  const repository = await create(new MemoryStorage(), 2)
  const writing = await repository.startWriting({ signal: live })
  for (let i = 0; i < 32; i++) {
    let left = i % 2 === 0 ? 0 : 3
    const cut = i % 4 < 2 ? ({ kind: 'content' } as const) : ({ kind: 'fixed', blockBytes: 4096 } as const)
    const broken: ReadableContent = {
      sizeBytes: undefined,
      cut,
      read: async into => {
        if (left-- <= 0) throw new Error('unreadable')
        return into.length
      },
    }
    await expect(writing.writeContent(broken)).rejects.toThrow('unreadable')
  }
  const bytes = randomBytes(5_000_000)
  const { content } = await writing.writeContent(contentOf(bytes, { kind: 'fixed', blockBytes: 65_536 }))
  await writing.saveSnapshot(snapshotOf(await writing.saveTree([])))
  expect(content).toHaveLength(77)
  await repository.close()
})

test('a worker that dies is an error, not a wait', async () => {
  const repository = await create(new MemoryStorage(), 1)
  const writing = await repository.startWriting({ signal: live })
  await writing.writeContent(contentOf(randomBytes(8_000_000), { kind: 'fixed', blockBytes: 4096 }))
  await repository.close()
  const late = writing.writeContent(contentOf(randomBytes(8_000_000), { kind: 'fixed', blockBytes: 4096 }))
  await expect(late).rejects.toMatchObject({ code: 'failed' })
  await expect(writing.saveSnapshot(snapshotOf('0'.repeat(64)))).rejects.toMatchObject({ code: 'failed' })
})

test('a snapshot written by one process is read by another, with a cache and without', async () => {
  const storage = new MemoryStorage()
  const repository = await create(storage)
  const files = { a: randomBytes(100_000), b: Buffer.alloc(0) }
  const snapshot = await backUp(repository, files)
  const other = await openRepository(storage, engineOptions(new SteppedClock()))
  expect(await readBack(other, snapshot)).toEqual(files)
  expect((await other.listSnapshots()).snapshots.map(({ id }) => id)).toEqual([snapshot.id])
})

/** Runs something in the moment in which a lock settles, and once more in the next wait. */
class SettlingClock extends SteppedClock {
  steps: Array<() => Promise<void>> = []

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms < 10_000) await this.steps.shift()?.()
    return super.sleep(ms, signal)
  }
}

/** The repository's sealed files, as another process that has the password sees them. */
async function openFiles(storage: Storage): Promise<RepositoryFiles> {
  const [id = ''] = await listKeyIds(storage)
  const keys = await openKeyFile(await loadKeyFile(storage, id), new Secret(PASSWORD), 'key')
  if (!keys) throw new Error('the key must open')
  return new RepositoryFiles({ storage, version: 2, cipher: new Cipher(keys), zstd: openZstd() })
}

describe('when another process locks it just while a backup begins', () => {
  const bytes = randomBytes(100_000)
  const cut = { kind: 'fixed', blockBytes: 4096 } as const
  const setUp = async (lockWaitMs: number) => {
    const storage = new MemoryStorage()
    const clock = new SettlingClock()
    const repository = await createRepository(storage, { ...engineOptions(clock), lockWaitMs })
    await backUp(repository, { a: bytes })
    const files = await openFiles(storage)
    const owner = { hostname: 'other', username: 'u', pid: 1, uid: 0, gid: 0, processStart: undefined }
    const lock = formatLockFile({ ...owner, exclusive: true, time: clock.now() })
    const begin = async () => {
      const writing = await repository.startWriting({ signal: live })
      const { content } = await writing.writeContent(contentOf(bytes, cut))
      const saved = writing.saveSnapshot(snapshotOf(await writing.saveTree([])))
      return { content, saved }
    }
    return { storage, clock, files, lock, begin }
  }

  test('nothing is stored, not even a snapshot that needs nothing new', async () => {
    const { storage, clock, files, lock, begin } = await setUp(0)
    const before = (await keysOf(storage, '')).sort()
    let planted = ''
    clock.steps = [async () => void (planted = await files.save('lock', lock))]
    await expect((await begin()).saved).rejects.toMatchObject({ code: 'repository-locked' })
    await files.remove('lock', planted)
    expect((await keysOf(storage, '')).sort()).toEqual(before)
  })

  test('it waits as long as told, and goes on when what it found is still there', async () => {
    const { clock, files, lock, begin } = await setUp(60_000)
    let planted = ''
    clock.steps = [
      async () => void (planted = await files.save('lock', lock)),
      async () => files.remove('lock', planted),
    ]
    expect((await (await begin()).saved).tree).toHaveLength(64)
    expect(await files.listIds('lock')).toEqual([])
  })

  test('it names nothing that was pruned meanwhile', async () => {
    const { storage, clock, files, lock, begin } = await setUp(60_000)
    const prune = async (): Promise<void> => {
      for (const id of await files.listIds('index')) await files.remove('index', id)
    }
    let planted = ''
    clock.steps = [
      async () => void (planted = await files.save('lock', lock)),
      async () => prune().then(() => files.remove('lock', planted)),
    ]
    const before = await keysOf(storage, 'snapshots/')
    await expect((await begin()).saved).rejects.toThrow('was pruned just while this backup began')
    expect(await keysOf(storage, 'snapshots/')).toEqual(before)
    expect(await files.listIds('lock')).toEqual([])
  })
})

describe('when another process takes the lock of a backup for dead, no snapshot is written', () => {
  const begin = async () => {
    const storage = new FaultyStorage(new MemoryStorage())
    const clock = new SteppedClock()
    const repository = await createRepository(storage, engineOptions(clock))
    await backUp(repository, { old: randomBytes(50_000) })
    const before = await keysOf(storage, 'snapshots/')
    const writing = await repository.startWriting({ signal: live })
    await writing.writeContent(contentOf(randomBytes(100_000), { kind: 'fixed', blockBytes: 4096 }))
    const tree = await writing.saveTree([])
    const remove = async (prefix: string): Promise<void> => {
      for (const key of await keysOf(storage.inner, prefix)) await storage.inner.remove(key)
    }
    const save = () => writing.saveSnapshot(snapshotOf(tree))
    return { storage, clock, before, remove, save }
  }

  test('the lock is gone', async () => {
    const { storage, before, remove, save } = await begin()
    await remove('locks/')
    await expect(save()).rejects.toMatchObject({ code: 'repository-locked' })
    expect(await keysOf(storage, 'snapshots/')).toEqual(before)
  })

  test('packs that were there are gone', async () => {
    const { storage, before, remove, save } = await begin()
    await remove('data/')
    await expect(save()).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('again') })
    expect(await keysOf(storage, 'snapshots/')).toEqual(before)
  })

  test('the lock goes while the machine sleeps, just before the snapshot is written', async () => {
    const { storage, clock, before, remove, save } = await begin()
    const write = storage.inner.save.bind(storage.inner)
    storage.inner.save = async (key, ...rest) => {
      await write(key, ...rest)
      if (!key.startsWith('snapshots/')) return
      clock.advance(60 * 60_000)
      await remove('locks/')
    }
    await expect(save()).rejects.toMatchObject({ code: 'repository-locked' })
    expect(await keysOf(storage, 'snapshots/')).toEqual(before)
  })
})
