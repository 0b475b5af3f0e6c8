import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemRandom } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import { Cipher } from '../crypto/cipher.ts'
import { randomKeys } from '../crypto/password.ts'
import { openZstd } from '../crypto/zstd.ts'
import { RepositoryFiles } from '../files/repository-files.ts'
import { formatIndex, type IndexedPack } from '../format/index-file.ts'
import { formatPackHeader } from '../format/pack-header.ts'
import { BlobIndex } from './blob-index.ts'

const idOf = (text: string): Id => createHash('sha256').update(text).digest('hex')

function makePack(name: string, blobs: number): IndexedPack {
  return {
    id: idOf(name),
    blobs: Array.from({ length: blobs }, (_, i) => ({
      type: i % 10 === 9 ? ('tree' as const) : ('data' as const),
      id: idOf(`${name} ${i}`),
      offset: i * 100,
      length: 100,
      uncompressedLength: i % 2 === 0 ? 500 : undefined,
    })),
  }
}

let cacheDir: string
let storage: MemoryStorage
let files: RepositoryFiles

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'lifeboat-index-'))
  storage = new MemoryStorage()
  const cipher = new Cipher(randomKeys(systemRandom))
  files = new RepositoryFiles({ storage, version: 2, cipher, zstd: openZstd() })
})
afterEach(() => rm(cacheDir, { recursive: true, force: true }))

const saveIndex = (...packs: IndexedPack[]): Promise<Id> => files.save('index', formatIndex(packs))
const cached = (): string[] => readdirSync(join(cacheDir, 'index')).map(name => join(cacheDir, 'index', name))

async function openIndex(memoryEntries?: number): Promise<BlobIndex> {
  const index = new BlobIndex({ files, cacheDir, random: systemRandom, memoryEntries })
  await index.refresh()
  return index
}

function expectAll(index: BlobIndex, pack: IndexedPack): void {
  for (const blob of pack.blobs) expect(index.find(blob.type, blob.id)).toEqual({ ...blob, packId: pack.id })
}

test.each([
  ['in memory', undefined],
  ['from the cache file', 0],
])('finds every blob, %s', async (_how, memoryEntries) => {
  const pack = makePack('p', 3000)
  await saveIndex(pack)
  const index = await openIndex(memoryEntries)
  expectAll(index, pack)
  expect(index.find('data', idOf('other'))).toBeUndefined()
  expect(index.has('tree', pack.blobs[0]?.id ?? '')).toBe(false)
  expect(index.hasBytes('data', Buffer.from(`00${pack.blobs[0]?.id}`, 'hex'), 1)).toBe(true)
  expect([...index.locations()]).toHaveLength(3000)
  expect([...index.packIds()]).toEqual([pack.id])
  index.close()
})

test('reads the cache, not the repository, and drops what another process removed', async () => {
  const a = makePack('a', 50)
  const b = makePack('b', 50)
  const idA = await saveIndex(a)
  await saveIndex(b)
  const first = await openIndex()
  expect(first.count).toBe(100)
  await files.remove('index', idA)
  await first.refresh()
  const second = await openIndex()
  for (const index of [first, second]) {
    expect(index.has('data', a.blobs[0]?.id ?? '')).toBe(false)
    expectAll(index, b)
  }
})

test('a damaged index file is a finding, the others are used', async () => {
  const pack = makePack('good', 10)
  await saveIndex(pack)
  await storage.save(`index/${'0'.repeat(64)}`, Buffer.from('not sealed'))
  const index = await openIndex()
  expect(index.findings).toMatchObject([{ code: 'index-damaged', subject: 'index 00000000' }])
  expectAll(index, pack)
})

test.each([
  ['cut', (file: string) => truncateSync(file, 200)],
  ['empty', (file: string) => truncateSync(file, 0)],
  ['bit flipped in the tables', (file: string) => flip(file, 60)],
  ['bit flipped in the entries', (file: string) => flip(file, readFileSync(file).length - 500)],
])('a cache file that is %s is built anew', async (_how, damage) => {
  const pack = makePack('p', 200)
  await saveIndex(pack)
  await openIndex()
  for (const file of cached()) damage(file)
  expectAll(await openIndex(), pack)
})

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

test('many index files become few segments; copies of a blob are all found', async () => {
  const packs = Array.from({ length: 40 }, (_, i) => makePack(`p${i}`, 20))
  const index = await openIndex()
  for (const pack of packs)
    await index.addIndexFile(await saveIndex(pack), [{ id: pack.id, blobs: 10, entries: formatPackHeader(pack.blobs) }])
  const twin = { id: idOf('twin'), blobs: packs[0]?.blobs ?? [] }
  await index.addIndexFile(await saveIndex(twin), [{ id: twin.id, blobs: 10, entries: formatPackHeader(twin.blobs) }])
  expect(cached().length).toBeLessThanOrEqual(8)
  for (const opened of [index, await openIndex(), await openIndex(0)]) {
    for (const pack of packs.slice(1)) expectAll(opened, pack)
    const found = opened.findAll('data', twin.blobs[0]?.id ?? '').map(({ packId }) => packId)
    expect(found.sort()).toEqual([idOf('p0'), twin.id].sort())
    expect(opened.count).toBe(820)
  }
})

test('works without a cache folder', async () => {
  const pack = makePack('p', 100)
  await saveIndex(pack)
  const index = new BlobIndex({ files, cacheDir: undefined, random: systemRandom })
  await index.refresh()
  expectAll(index, pack)
})
