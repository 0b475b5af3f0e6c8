import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { ArchivingMemory } from '../../../test/helpers/archiving-memory.ts'
import { backUp, contentOf, engineOptions, readBack, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import type { Id } from '../../model/node.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { createRepository } from '../create.ts'
import type { Repository } from '../repository.ts'

const { signal } = new AbortController()

let storage: ArchivingMemory
let repository: Repository

beforeEach(async () => {
  storage = new ArchivingMemory()
  repository = await createRepository(storage, engineOptions(new SteppedClock()))
})

async function* contentOfFiles({ tree }: Snapshot): AsyncGenerator<Id> {
  for (const folder of await repository.loadTree(tree)) {
    for (const node of await repository.loadTree(folder.subtree ?? '')) yield* node.content ?? []
  }
}

test('packs of data go to the archive, and nothing else does', async () => {
  await backUp(repository, { a: randomBytes(100_000) })
  const all: string[] = []
  for await (const key of storage.listKeys('data/')) all.push(key)
  expect([all.length, storage.archived.length]).toEqual([2, 1])
  expect(storage.archived.every(key => key.startsWith('data/'))).toBe(true)
})

test('content that is read often is kept out of the archive, in a pack of its own', async () => {
  const writing = await repository.startWriting({ signal })
  const data = randomBytes(50_000)
  await writing.writeContent(contentOf(data, { kind: 'content' }))
  const own = await writing.writeContent(contentOf(Buffer.from('manifest'), { kind: 'content' }), { isReadOften: true })
  const tree = await writing.saveTree([
    { name: 'm', type: 'file', mode: 0o600, mtimeNs: 0n, uid: 0, gid: 0, content: own.content, sizeBytes: 8 },
  ])
  await writing.saveSnapshot({ time: new Date(), tree, paths: [], hostname: 'h', username: 'u', tags: [] })
  expect(writing.progress).toMatchObject({ bytesRead: 50_008, bytesNew: expect.any(Number), dataBlobsNew: 2 })
  expect(String(await repository.loadBlob('data', own.content[0] ?? ''))).toBe('manifest')
  expect(storage.archived).toHaveLength(1)
})

test('a storage without an archive gets no pack more for what is read often', async () => {
  const plain = new MemoryStorage()
  const other = await createRepository(plain, engineOptions(new SteppedClock()))
  const writing = await other.startWriting({ signal })
  await writing.writeContent(contentOf(randomBytes(5000), { kind: 'content' }))
  await writing.writeContent(contentOf(Buffer.from('manifest'), { kind: 'content' }), { isReadOften: true })
  const tree = await writing.saveTree([])
  await writing.saveSnapshot({ time: new Date(), tree, paths: [], hostname: 'h', username: 'u', tags: [] })
  expect((await other.statistics()).packs).toBe(2)
  expect(other.archive).toBeUndefined()
})

test('what a restore needs is found before it begins, asked for once, and read when it is back', async () => {
  const first = await backUp(repository, { a: randomBytes(100_000) })
  const second = await backUp(repository, { b: randomBytes(50_000) })
  const needed = (await repository.archive?.findNeeded(contentOfFiles(second), signal)) ?? []
  expect(needed).toMatchObject([{ isThawing: false, thawMs: 12 * 3_600_000 }])
  await expect(readBack(repository, second)).rejects.toMatchObject({ code: 'storage-archived' })
  await repository.archive?.thaw(needed, { signal })
  const [asked] = (await repository.archive?.stillArchived(needed, signal)) ?? []
  expect(asked?.isThawing).toBe(true)
  await repository.archive?.thaw([{ ...needed[0], ...asked } as NonNullable<typeof asked>], { signal })
  expect(storage.asked).toHaveLength(1)
  storage.finishThawing()
  expect(await repository.archive?.stillArchived(needed, signal)).toEqual([])
  expect(Object.keys(await readBack(repository, second))).toEqual(['b'])
  expect(await repository.archive?.findNeeded(contentOfFiles(second), signal)).toEqual([])
  await expect(readBack(repository, first)).rejects.toMatchObject({ code: 'storage-archived' })
})

test('a check looks into no archived pack, says so, and finds everything else sound', async () => {
  await backUp(repository, { a: randomBytes(100_000) })
  const structure = await repository.check({ readData: 0, signal })
  expect(structure.findings).toMatchObject([{ severity: 'info', code: 'packs-archived', subject: '1 pack' }])
  const read = await repository.check({ readData: 1, signal })
  expect(read).toMatchObject({ packsArchived: 1, packsRead: 1 })
  expect(read.findings).toMatchObject([{ severity: 'warning', code: 'packs-archived' }])
})

test('prune removes archived packs that nothing needs, and rewrites none of those that something does', async () => {
  const content = randomBytes(1_000_000)
  const first = await backUp(repository, { a: content, b: randomBytes(900_000) })
  const second = await backUp(repository, { a: content, c: randomBytes(800_000) })
  await repository.removeSnapshots([first.id])
  const report = await repository.prune({ dryRun: false, maxUnused: 0, signal })
  expect(report.findings).toMatchObject([{ severity: 'info', code: 'packs-archived', subject: '1 pack' }])
  expect(storage.archived).toHaveLength(2)
  await repository.removeSnapshots([second.id])
  await repository.prune({ dryRun: false, maxUnused: 0, signal })
  expect(storage.archived).toEqual([])
  expect(storage.asked).toEqual([])
})
