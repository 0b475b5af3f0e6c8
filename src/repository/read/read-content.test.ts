import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { SmallRepository } from '../../../test/helpers/small-repository.ts'
import { loadBlob } from './load-blob.ts'
import { loadTree } from './load-tree.ts'
import { checkContent, readContent } from './read-content.ts'
import type { Reader } from './reader.ts'

let storage: FaultyStorage
let repository: SmallRepository

beforeEach(() => {
  storage = new FaultyStorage(new MemoryStorage())
  repository = new SmallRepository(storage)
})

async function open(): Promise<Reader> {
  return { ...repository.context, index: await repository.openIndex() }
}

async function readAll(reader: Reader, content: readonly string[], signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of readContent(reader, content, signal)) parts.push(part)
  return Buffer.concat(parts)
}

async function countAll(reader: Reader, content: readonly string[], signal?: AbortSignal): Promise<number> {
  let bytes = 0
  for await (const checked of checkContent(reader, content, signal)) bytes += checked
  return bytes
}

test('gives any sequence of blobs from any packs in order, with few loads', async () => {
  const blobs = Array.from({ length: 40 }, (_, at) =>
    at % 3 === 0 ? Buffer.alloc(at * 50, 'x') : randomBytes(at * 50),
  )
  const ids: string[] = []
  const packs = []
  for (const [at, blob] of blobs.entries()) {
    ids.push(repository.addBlob('data', blob))
    if (at % 10 === 9) packs.push(await repository.savePack())
  }
  await repository.saveIndex(packs)
  const reader = await open()
  storage.calls.length = 0
  expect((await readAll(reader, ids)).equals(Buffer.concat(blobs))).toBe(true)
  expect(storage.calls.length).toBe(4)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(39), { maxLength: 100 }), async picks => {
      const wanted = Buffer.concat(picks.map(at => blobs[at] ?? Buffer.alloc(0)))
      const read = await readAll(
        reader,
        picks.map(at => ids[at] ?? ''),
      )
      expect(read.equals(wanted)).toBe(true)
      const counted = await countAll(
        reader,
        picks.map(at => ids[at] ?? ''),
      )
      expect(counted).toBe(wanted.length)
    }),
    { numRuns: 50 },
  )
})

test('a damaged blob is an error that names it; what comes before it was right', async () => {
  const blobs = [randomBytes(2_000_000), randomBytes(2_000_000), randomBytes(2_000_000)]
  const ids = blobs.map(blob => repository.addBlob('data', blob))
  await repository.saveIndex([await repository.savePack()])
  const reader = await open()
  const place = reader.index.find('data', ids[1] ?? '')
  const bytes = await storage.load(`data/${place?.packId.slice(0, 2)}/${place?.packId}`)
  bytes[(place?.offset ?? 0) + 1000] = (bytes[(place?.offset ?? 0) + 1000] ?? 0) ^ 1
  await storage.save(`data/${place?.packId.slice(0, 2)}/${place?.packId}`, bytes)
  const read: Buffer[] = []
  const reading = (async () => {
    for await (const part of readContent(reader, ids)) read.push(part)
  })()
  await expect(reading).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining(`data blob ${ids[1]?.slice(0, 8)}`),
  })
  await expect(countAll(reader, ids)).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining(`data blob ${ids[1]?.slice(0, 8)}`),
  })
  expect(read).toHaveLength(1)
  expect(blobs[0]?.equals(read[0] ?? Buffer.alloc(0))).toBe(true)
})

test('what is in no index is an error after what comes before it; a reader that stops early leaves nothing behind', async () => {
  const blob = randomBytes(100)
  const id = repository.addBlob('data', blob)
  await repository.saveIndex([await repository.savePack()])
  const reader = await open()
  await expect(readAll(reader, [id, '0'.repeat(64)])).rejects.toMatchObject({ code: 'damaged', message: /in no index/ })
  await expect(countAll(reader, [id, '0'.repeat(64)])).rejects.toMatchObject({
    code: 'damaged',
    message: /in no index/,
  })
  for await (const part of readContent(
    reader,
    Array.from({ length: 5000 }, () => id),
  )) {
    expect(part.equals(blob)).toBe(true)
    break
  }
  await expect(readAll(reader, [id], AbortSignal.abort())).rejects.toMatchObject({ code: 'interrupted' })
})

test('a blob is taken from whichever pack has it whole', async () => {
  const blob = randomBytes(1000)
  const id = repository.addBlob('data', blob)
  const first = await repository.savePack()
  repository.addBlob('data', blob)
  const second = await repository.savePack()
  await repository.saveIndex([first, second])
  const reader = await open()
  for (const pack of [first, second]) {
    storage.faults = { flipBit: { key: new RegExp(pack.id), bit: 500 } }
    expect((await loadBlob(reader, 'data', id)).equals(blob)).toBe(true)
    expect((await readAll(reader, [id, id])).equals(Buffer.concat([blob, blob]))).toBe(true)
    expect(await countAll(reader, [id, id])).toBe(2 * blob.length)
  }
  storage.faults = { flipBit: { key: /^data/, bit: 500 } }
  await expect(loadBlob(reader, 'data', id)).rejects.toMatchObject({ code: 'damaged' })
  await expect(countAll(reader, [id])).rejects.toMatchObject({ code: 'damaged' })
})

test('a data blob is no tree', async () => {
  const id = repository.addBlob('data', Buffer.from('{"nodes":[]}'))
  await repository.saveIndex([await repository.savePack()])
  const reader = await open()
  await expect(loadTree(reader, id)).rejects.toMatchObject({ code: 'damaged', message: /in no index/ })
})
