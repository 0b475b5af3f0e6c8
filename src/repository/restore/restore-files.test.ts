import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { SmallRepository } from '../../../test/helpers/small-repository.ts'
import type { FileToWrite, WrittenBytes } from '../contract/restoring.ts'
import type { IndexedPack } from '../format/index-file.ts'
import type { Reader } from '../read/reader.ts'
import { restoreFiles } from './restore-files.ts'

let folder: string
let storage: FaultyStorage
let repository: SmallRepository

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-restore-'))
  storage = new FaultyStorage(new MemoryStorage())
  repository = new SmallRepository(storage)
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const signal = new AbortController().signal

interface Planned {
  readonly content: readonly string[]
  readonly bytes: Buffer
}

function addFile(blobs: readonly Buffer[]): Planned {
  return { content: blobs.map(blob => repository.addBlob('data', blob)), bytes: Buffer.concat(blobs) }
}

function target(name: string, { content, bytes }: Planned, delta = true): FileToWrite {
  return { path: join(folder, name), content, sizeBytes: bytes.length, delta }
}

async function reader(packs: readonly IndexedPack[]): Promise<Reader> {
  await repository.saveIndex(packs)
  return { ...repository.context, index: await repository.openIndex() }
}

const restore = (from: Reader, files: readonly FileToWrite[]): Promise<WrittenBytes> =>
  restoreFiles(from, files, { signal })

const block = (seed: number, bytes = 4096): Buffer => {
  const line = createHash('sha256').update(String(seed)).digest('hex')
  return Buffer.alloc(bytes, line)
}

test('puts blobs that come again, long and short, wherever they belong', async () => {
  const [short, long, other] = [block(1, 4096), block(2, 65_536), block(3, 4096)]
  const one = addFile([short, long, other, long, short, long, long, other, short])
  const two = addFile([long, other, short, short, long])
  const from = await reader([await repository.savePack()])
  await restore(from, [target('one', one), target('two', two)])
  for (const [name, { bytes }] of Object.entries({ one, two }))
    expect((await readFile(join(folder, name))).equals(bytes)).toBe(true)
})

test('writes files of many shapes at once, new ones 0600', async () => {
  const files = {
    empty: addFile([]),
    small: addFile([Buffer.from('hello')]),
    large: addFile(Array.from({ length: 300 }, (_, at) => block(at))),
    repeated: addFile(Array.from({ length: 100 }, (_, at) => block(at % 3))),
    random: addFile([randomBytes(300_000), Buffer.from([7]), randomBytes(70_000)]),
  }
  const from = await reader([await repository.savePack()])
  const plan = Object.entries(files).map(([name, file]) => target(name, file))
  const total = Object.values(files).reduce((sum, file) => sum + file.bytes.length, 0)
  expect(await restore(from, plan)).toEqual({ totalBytes: total, writtenBytes: total })
  for (const [name, file] of Object.entries(files)) {
    expect(file.bytes.equals(await readFile(join(folder, name)))).toBe(true)
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
  }
})

test('loads each range once, however many files share it', async () => {
  const files = Array.from({ length: 500 }, (_, at) => addFile([block(at, 200), block(7, 300)]))
  const from = await reader([await repository.savePack()])
  storage.calls.length = 0
  await restore(
    from,
    files.map((file, at) => target(`${at}`, file)),
  )
  expect(storage.calls.filter(call => call.method === 'load').length).toBeLessThan(10)
  expect(await readdir(folder)).toHaveLength(500)
})

test('delta writes only what differs, and again nothing; also where the file grew or shrank', async () => {
  const file = addFile(Array.from({ length: 64 }, (_, at) => block(at)))
  const from = await reader([await repository.savePack()])
  const path = join(folder, 'db')
  await writeFile(path, file.bytes)
  const handle = await open(path, 'r+')
  await handle.write('changed', 3 * 4096 + 17)
  await handle.write('changed', 40 * 4096)
  await handle.close()
  expect(await restore(from, [target('db', file)])).toMatchObject({ writtenBytes: 2 * 4096 })
  expect(await restore(from, [target('db', file)])).toEqual({ totalBytes: 64 * 4096, writtenBytes: 0 })
  await writeFile(path, Buffer.concat([file.bytes, Buffer.from('more')]))
  expect(await restore(from, [target('db', file)])).toMatchObject({ writtenBytes: 0 })
  await writeFile(path, file.bytes.subarray(0, 10 * 4096 + 100))
  expect(await restore(from, [target('db', file)])).toMatchObject({ writtenBytes: 54 * 4096 })
  expect(file.bytes.equals(await readFile(path))).toBe(true)
})

test('without delta everything is written over what is there, zeros too', async () => {
  const file = addFile([block(1, 65536), Buffer.alloc(65536)])
  const from = await reader([await repository.savePack()])
  await writeFile(join(folder, 'db'), randomBytes(200_000))
  expect(await restore(from, [target('db', file, false)])).toMatchObject({ writtenBytes: 131072 })
  expect(file.bytes.equals(await readFile(join(folder, 'db')))).toBe(true)
})

test('zeros become holes in new files', async () => {
  const file = addFile([block(1, 65536), ...Array.from({ length: 16 }, () => Buffer.alloc(65536))])
  const from = await reader([await repository.savePack()])
  expect(await restore(from, [target('sparse', file)])).toMatchObject({ writtenBytes: 65536 })
  expect(file.bytes.equals(await readFile(join(folder, 'sparse')))).toBe(true)
  expect((await stat(join(folder, 'sparse'))).blocks * 512).toBeLessThan(4 * 65536)
})

test('an interrupted restore goes on where it was', async () => {
  const file = addFile(Array.from({ length: 200 }, (_, at) => randomBytes(50_000 + at)))
  const from = await reader([await repository.savePack()])
  storage.faults = { failCall: storage.calls.length + 3 }
  await expect(restore(from, [target('db', file)])).rejects.toMatchObject({ code: 'storage-failed' })
  storage.faults = {}
  const { writtenBytes } = await restore(from, [target('db', file)])
  expect(writtenBytes).toBeLessThan(file.bytes.length)
  expect(file.bytes.equals(await readFile(join(folder, 'db')))).toBe(true)
})

test('a damaged blob fails its file by name, never gives wrong bytes, and the rest is restored', async () => {
  const good = addFile([block(1), block(2)])
  const bad = addFile([block(3), randomBytes(5000), block(4)])
  const from = await reader([await repository.savePack()])
  const place = from.index.find('data', bad.content[1] ?? '')
  storage.faults = { flipBit: { key: /^data/, bit: ((place?.offset ?? 0) + 100) * 8 } }
  await expect(restore(from, [target('bad', bad), target('good', good)])).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining(`cannot restore ${join(folder, 'bad')} whole`),
    context: {
      files: [{ path: join(folder, 'bad'), blobs: [{ blob: bad.content[1], pack: place?.packId }] }],
      count: 1,
    },
  })
  expect(good.bytes.equals(await readFile(join(folder, 'good')))).toBe(true)
  const written = await readFile(join(folder, 'bad'))
  expect(written.subarray(4096, 9096).equals(Buffer.alloc(5000))).toBe(true)
  expect(written.subarray(9096).equals(block(4))).toBe(true)
})

test('what one pack has lost is taken from another', async () => {
  const file = addFile([randomBytes(5000)])
  const first = await repository.savePack()
  addFile([randomBytes(10), file.bytes])
  const second = await repository.savePack()
  const from = await reader([first, second])
  for (const lost of [first, second]) {
    const key = `data/${lost.id.slice(0, 2)}/${lost.id}`
    const bytes = await storage.load(key)
    await storage.remove(key)
    await restore(from, [target('file', file, false)])
    expect(file.bytes.equals(await readFile(join(folder, 'file')))).toBe(true)
    await storage.save(key, bytes.subarray(0, 100))
    await restore(from, [target('file', file, false)])
    await storage.save(key, bytes)
  }
})

test('a missing pack, a cut pack and a blob in no index are damage; a failing storage is not', async () => {
  const file = addFile([randomBytes(5000)])
  const pack = await repository.savePack()
  const from = await reader([pack])
  const key = `data/${pack.id.slice(0, 2)}/${pack.id}`
  const bytes = await storage.load(key)
  await storage.save(key, bytes.subarray(0, 100))
  await expect(restore(from, [target('a', file)])).rejects.toMatchObject({ code: 'damaged', message: /cut short/ })
  await storage.remove(key)
  await expect(restore(from, [target('a', file)])).rejects.toMatchObject({ code: 'damaged', message: /is missing/ })
  const nowhere = { ...file, content: ['0'.repeat(64)] }
  await expect(restore(from, [target('b', nowhere)])).rejects.toMatchObject({ code: 'damaged', message: /in no index/ })
  await storage.save(key, bytes)
  storage.faults = { failCall: storage.calls.length + 1 }
  await expect(restore(from, [target('c', file)])).rejects.toMatchObject({ code: 'storage-failed' })
})

test('refuses links and folders, and stops when told to', async () => {
  const file = addFile([block(1)])
  const from = await reader([await repository.savePack()])
  await writeFile(join(folder, 'precious'), 'precious')
  await symlink(join(folder, 'precious'), join(folder, 'link'))
  await expect(restore(from, [target('link', file)])).rejects.toMatchObject({
    code: 'target-invalid',
    message: `cannot write ${join(folder, 'link')}: it is a symbolic link`,
  })
  await expect(restore(from, [target('.', file)])).rejects.toMatchObject({ code: 'target-invalid' })
  expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('precious')
  await expect(restoreFiles(from, [target('x', file)], { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'interrupted',
  })
})

test('leaves no descriptor open, whether it succeeds or fails', async () => {
  const file = addFile([block(1)])
  const from = await reader([await repository.savePack()])
  const before = (await readdir('/proc/self/fd')).length
  await restore(
    from,
    Array.from({ length: 300 }, (_, at) => target(`${at}`, file)),
  )
  storage.faults = { failCall: storage.calls.length + 1 }
  const again = Array.from({ length: 300 }, (_, at) => target(`n${at}`, file))
  await expect(restore(from, again)).rejects.toMatchObject({ code: 'storage-failed' })
  expect((await readdir('/proc/self/fd')).length).toBeLessThanOrEqual(before)
})

test('whatever was there, delta ends with what was stored', async () => {
  const blobs = Array.from({ length: 12 }, (_, at) => (at === 5 ? Buffer.alloc(5000) : randomBytes(1000 + at * 700)))
  const known = blobs.map(blob => repository.addBlob('data', blob))
  const from = await reader([await repository.savePack()])
  const order = fc.array(fc.nat(11), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(order, order, fc.nat(100_000), fc.boolean(), async (wanted, there, cut, delta) => {
      const bytesOf = (picks: readonly number[]): Buffer => Buffer.concat(picks.map(at => blobs[at] ?? Buffer.alloc(0)))
      const path = join(folder, 'any')
      await writeFile(path, bytesOf(there).subarray(0, cut))
      const bytes = bytesOf(wanted)
      await restore(from, [{ path, content: wanted.map(at => known[at] ?? ''), sizeBytes: bytes.length, delta }])
      expect(bytes.equals(await readFile(path))).toBe(true)
    }),
    { numRuns: 60 },
  )
})
