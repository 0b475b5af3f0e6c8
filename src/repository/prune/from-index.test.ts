import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { fileNode, SmallRepository } from '../../../test/helpers/small-repository.ts'
import { fileKey } from '../format/file-keys.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { loadBlob } from '../read/load-blob.ts'
import { groupsOf, placesFromIndex } from './from-index.ts'
import type { PackUse } from './plan.ts'
import { prune } from './prune.ts'

const idOf = (name: string): string => createHash('sha256').update(name).digest('hex')

const packOf = (name: string, usedBlobs: number): PackUse => ({
  id: idOf(name),
  type: 'data',
  usedBlobs,
  usedBytes: 0,
  unusedBlobs: 0,
  unusedBytes: 0,
  duplicates: 0,
  uncompressed: false,
  shared: false,
})

const placeIn = (pack: string, blob: string, offset = 0): BlobLocation => ({
  packId: idOf(pack),
  type: 'data',
  id: idOf(blob),
  offset,
  length: 10,
  uncompressedLength: undefined,
})

test('packs are grouped by what they need in memory, and a large one comes alone', () => {
  const packs = [packOf('a', 3), packOf('b', 3), packOf('c', 1), packOf('d', 9), packOf('e', 0)]
  const sizes = [...groupsOf(packs, 6)].map(group => group.map(({ usedBlobs }) => usedBlobs))
  expect(sizes).toEqual([[3, 3], [1], [9], [0]])
  expect([...groupsOf([], 6)]).toEqual([])
})

test('many packs take one pass, and only what is needed of them is kept, each blob once', () => {
  const packs = Array.from({ length: 50 }, (_, at) => packOf(`p${at}`, 1))
  let passes = 0
  const index = {
    *locations() {
      passes++
      for (let at = 0; at < 100; at++) {
        yield placeIn(`p${at}`, `b${at}`)
        yield placeIn(`p${at}`, `b${at}`, 20)
        yield placeIn(`p${at}`, 'not needed')
      }
    },
  }
  const unneeded = idOf('not needed')
  const places = placesFromIndex(index, { isChosen: (_pack, _type, id) => id !== unneeded }, packs)
  expect(passes).toBe(1)
  expect(places.size).toBe(50)
  expect(places.get(idOf('p7'))).toEqual([placeIn('p7', 'b7')])
})

test('prune takes whole blobs out of packs whose headers are broken', async () => {
  const repository = new SmallRepository()
  await repository.addSmallFiles()
  const packs = []
  const contents: Buffer[] = []
  const ids: string[] = []
  for (let at = 0; at < 3; at++) {
    const wanted = Buffer.from(`wanted ${at}`.repeat(50))
    contents.push(wanted)
    ids.push(repository.addBlob('data', wanted))
    repository.addBlob('data', Buffer.from(idOf(`unneeded ${at}`).repeat(50)))
    packs.push(await repository.savePack())
  }
  const tree = repository.addTree(ids.map((id, at) => fileNode(`f${at}`, [id], 0)))
  const treePack = await repository.savePack()
  await repository.saveIndex([...packs, treePack])
  await repository.saveSnapshot(tree)
  const { storage } = repository
  for (const { id } of packs) {
    const bytes = Buffer.from(await storage.load(fileKey('pack', id)))
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 10) ^ 1, bytes.length - 10)
    await storage.save(fileKey('pack', id), bytes)
  }
  const { signal } = new AbortController()
  const report = await prune(repository.context, { signal, dryRun: false, maxUnused: 0 })
  expect(report).toMatchObject({ packsRepacked: 3, findings: [] })
  const reader = { ...repository.context, index: await repository.openIndex() }
  for (const [at, id] of ids.entries()) expect(await loadBlob(reader, 'data', id)).toEqual(contents[at])
})
