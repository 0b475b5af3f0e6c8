import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { AppError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { SaveOptions, StorageTraits } from '../../storage/storage.ts'
import { Cipher } from '../crypto/cipher.ts'
import { randomKeys } from '../crypto/password.ts'
import { openZstd } from '../crypto/zstd.ts'
import { readPackContents } from '../read/pack-contents.ts'
import { Failure } from '../write/failure.ts'
import { BlobSealer, type SealedBlobs } from './blob-sealer.ts'
import { PackWriter, type SavedPack } from './pack-writer.ts'

const MIB = 1024 * 1024
const cipher = new Cipher(randomKeys(systemRandom))
const tools = { version: 2, cipher, zstd: openZstd() } as const

/** Saves end when they are let go. */
class SlowStorage extends MemoryStorage {
  most = 0
  #running = 0
  #held: Array<() => void> = []

  override async save(key: string, content: Uint8Array, options?: SaveOptions): Promise<void> {
    this.most = Math.max(this.most, ++this.#running)
    await new Promise<void>(resolve => this.#held.push(resolve))
    this.#running--
    await super.save(key, content, options)
  }

  letAllGo(): void {
    for (const go of this.#held.splice(0)) go()
  }
}

function seal(type: 'data' | 'tree', bytes: number): SealedBlobs {
  const content = randomBytes(bytes)
  const sealer = new BlobSealer(type, tools, Buffer.alloc(0))
  sealer.add(content, createHash('sha256').update(content).digest())
  return sealer.finish()
}

function start(traits: Partial<StorageTraits>) {
  const storage = new SlowStorage('slow:', undefined, traits)
  const saved: SavedPack[] = []
  const failure = new Failure(new AbortController().signal)
  return {
    storage,
    saved,
    failure,
    packs: new PackWriter({ storage, cipher, failure, onSaved: pack => saved.push(pack) }),
  }
}

/** Until the work is done, what is being saved is let go. */
async function finish(storage: SlowStorage, work: Promise<void>): Promise<void> {
  let done = false
  const working = work.finally(() => {
    done = true
  })
  while (!done) {
    storage.letAllGo()
    await new Promise(resolve => setImmediate(resolve))
  }
  await working
}

test('packs are as long as the storage likes, trees apart from data, and say what they hold', async () => {
  const { storage, saved, packs } = start({ packBytes: MIB })
  const work = async (): Promise<void> => {
    for (let at = 0; at < 10; at++) await packs.add('data', seal('data', 300_000))
    await packs.add('tree', seal('tree', 1000))
    // Longer than any pack is to be: it has one of its own.
    await packs.add('data', seal('data', 3 * MIB))
    await packs.finish()
  }
  await finish(storage, work())
  expect(saved.map(({ blobs }) => blobs).sort((a, b) => a - b)).toEqual([1, 1, 1, 3, 3, 3])
  for (const { id, blobs } of saved) {
    const bytes = await storage.load(`data/${id.slice(0, 2)}/${id}`)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(id)
    const contents = readPackContents(bytes, bytes.length, 'pack', cipher)
    expect('blobs' in contents && contents.blobs.length).toBe(blobs)
    if ('blobs' in contents) expect(new Set(contents.blobs.map(({ type }) => type)).size).toBe(1)
  }
})

test('packs are filled to the last blob that fits, wherever that lies in what is added together', async () => {
  const { storage, saved, packs } = start({ packBytes: MIB })
  const sealer = new BlobSealer('data', tools, Buffer.alloc(0))
  for (let at = 0; at < 25; at++) {
    const content = randomBytes(100_000)
    sealer.add(content, createHash('sha256').update(content).digest())
  }
  const together = sealer.finish()
  await finish(
    storage,
    packs
      .add('data', seal('data', 500_000))
      .then(() => packs.add('data', together))
      .then(() => packs.finish()),
  )
  expect(saved.map(({ blobs }) => blobs)).toEqual([6, 10, 10])
  for (const { id, blobs } of saved) {
    const bytes = await storage.load(`data/${id.slice(0, 2)}/${id}`)
    const contents = readPackContents(bytes, bytes.length, 'pack', cipher)
    expect('blobs' in contents && contents.blobs.length).toBe(blobs)
  }
})

test.each([
  [{ packBytes: 4 * MIB, saves: 2 }, 2],
  [{ packBytes: 4 * MIB, saves: 5 }, 5],
  // Not five: they are all in memory.
  [{ packBytes: 16 * MIB, saves: 5 }, 2],
])('of packs as %j so many are saved at once: %i', async (traits, most) => {
  const { storage, packs } = start(traits)
  const blobs = seal('data', 2 * MIB)
  let added = 0
  const work = async (): Promise<void> => {
    const addAll = Array.from({ length: 60 }, async () => {
      await packs.add('data', blobs)
      added++
    })
    await Promise.all(addAll)
    await packs.finish()
  }
  const working = work()
  for (let at = 0; at < 50; at++) await new Promise(resolve => setImmediate(resolve))
  // As many as fit into packs that are being saved and the open one: the others wait.
  expect(added * 2 * MIB).toBeLessThanOrEqual((most + 1) * traits.packBytes)
  await finish(storage, working)
  expect(storage.most).toBe(most)
})

test('a failed save ends the writing', async () => {
  const { storage, failure, packs } = start({ packBytes: MIB })
  storage.save = async () => {
    throw new AppError('storage-full', 'full')
  }
  await packs.add('data', seal('data', MIB / 2))
  await expect(packs.finish()).rejects.toMatchObject({ code: 'storage-full' })
  await expect(packs.add('data', seal('data', 10))).rejects.toMatchObject({ code: 'storage-full' })
  await failure.idle()
})
