import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentOf, engineOptions, PASSWORD, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemRandom } from '../../base/random.ts'
import { Secret } from '../../base/secret.ts'
import type { ReadableContent, WrittenContent } from '../contract/writing.ts'
import { Cipher } from '../crypto/cipher.ts'
import { openKeyFile } from '../crypto/password.ts'
import { createRepository } from '../index.ts'
import { listKeyIds, loadKeyFile } from '../key/key-ring.ts'
import { MarkFolder } from '../marks/mark-folder.ts'
import { Marker, markedBytes } from '../marks/marks.ts'
import type { Repository } from '../repository.ts'

const live = new AbortController().signal
const BLOCK = 16_384
const CUT = { kind: 'fixed', blockBytes: BLOCK } as const
const BYTES = 18 * 1024 * 1024 + 5000
const original = randomBytes(BYTES)

const idsOf = (bytes: Buffer, blockBytes = BLOCK): string[] =>
  Array.from({ length: Math.ceil(bytes.length / blockBytes) }, (_, i) =>
    createHash('sha256')
      .update(bytes.subarray(i * blockBytes, (i + 1) * blockBytes))
      .digest('hex'),
  )

interface Written extends WrittenContent {
  readonly bytesNew: number
}

class Bench {
  readonly storage = new MemoryStorage()
  readonly cacheDir = makeTempDir()
  #repository: Repository | undefined

  async repository(): Promise<Repository> {
    const options = { ...engineOptions(new SteppedClock()), cacheDir: this.cacheDir, workers: 2 }
    this.#repository ??= await createRepository(this.storage, options)
    return this.#repository
  }

  async write(content: ReadableContent, before?: readonly string[], distrusted: string[] = []): Promise<Written> {
    const writing = await (await this.repository()).startWriting({ signal: live })
    for (const id of distrusted) writing.distrust('data', id)
    const written = await writing.writeContent(content, { before })
    const time = new Date(0)
    const tree = await writing.saveTree([])
    const owner = { hostname: 'h', username: 'u', uid: 0, gid: 0 }
    await writing.saveSnapshot({ time, tree, paths: ['/x'], tags: [], ...owner })
    return { ...written, bytesNew: writing.progress.bytesNew }
  }

  get folder(): string {
    const [id = ''] = readdirSync(this.cacheDir)
    return join(this.cacheDir, id, 'marks')
  }

  get files(): string[] {
    return readdirSync(this.folder).map(name => join(this.folder, name))
  }

  async cipher(): Promise<Cipher> {
    const [id = ''] = await listKeyIds(this.storage)
    const keys = await openKeyFile(await loadKeyFile(this.storage, id), new Secret(PASSWORD), 'key')
    if (!keys) throw new Error('the key must open')
    return new Cipher(keys)
  }
}

const content = (bytes: Buffer, blockBytes = BLOCK): ReadableContent => contentOf(bytes, { ...CUT, blockBytes })

function changed(bytes: Buffer, ...places: number[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const at of places) copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

/** Such a folder says that all that was written before stays as it was, whatever the content is. */
async function forgeMarks(bench: Bench, before: readonly string[], now: Buffer): Promise<void> {
  const folder = new MarkFolder(join(bench.folder, '..'), await bench.cipher(), systemRandom)
  const key = folder.newKey()
  const marker = new Marker(key)
  const part = markedBytes(BLOCK)
  const marks = Array.from({ length: Math.ceil(now.length / part) }, (_, i) =>
    marker.mark(now.subarray(i * part, (i + 1) * part)),
  )
  await folder.save(Buffer.from(before.join(''), 'hex'), BLOCK, { key, bytes: Buffer.concat(marks) })
}

test('one changed bit, or another length, makes another mark; another key too', () => {
  const marker = new Marker(Buffer.alloc(16, 7))
  const bytes = randomBytes(65_536)
  const mark = marker.mark(bytes)
  expect(marker.mark(Buffer.from(bytes)).equals(mark)).toBe(true)
  expect(new Marker(Buffer.alloc(16, 8)).mark(bytes).equals(mark)).toBe(false)
  expect(marker.mark(bytes.subarray(1)).equals(mark)).toBe(false)
  expect(marker.mark(Buffer.concat([bytes, Buffer.alloc(1)])).equals(mark)).toBe(false)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
      const other = Buffer.from(bytes)
      other[at] = (other[at] ?? 0) ^ (1 << bit)
      expect(marker.mark(other).equals(mark)).toBe(false)
    }),
  )
})

test('what is as before keeps its ids, and only what differs is stored', async () => {
  const bench = new Bench()
  const first = await bench.write(content(original))
  expect(first.content).toEqual(idsOf(original))
  for (const file of bench.files) expect(statSync(file).mode & 0o777).toBe(0o600)
  let before = first.content
  // Three in a row: the marks of a backup that had marks are as good.
  for (const places of [[0], [BYTES - 1, 5 << 20], [(9 << 20) + 70_000, 1, 17 << 20]]) {
    const now = changed(original, ...places)
    const written = await bench.write(content(now), before)
    expect(written.content).toEqual(idsOf(now))
    before = written.content
  }
  const shorter = original.subarray(0, BYTES - 100_000)
  expect((await bench.write(content(shorter), before)).content).toEqual(idsOf(shorter))
  const longer = Buffer.concat([original, randomBytes(3 << 20)])
  expect((await bench.write(content(longer), first.content)).content).toEqual(idsOf(longer))
})

test('marks are what decides, where the content before is said, and nowhere else', async () => {
  const bench = new Bench()
  const before = (await bench.write(content(original))).content
  const other = randomBytes(BYTES)
  // Only who has the repository's key can do that. It shows that the tests below could fail.
  await forgeMarks(bench, before, other)
  expect((await bench.write(content(other), before)).content).toEqual(before)
  const full = await bench.write(content(other))
  expect(full.content).toEqual(idsOf(other))
})

describe('marks that prove nothing are not used', () => {
  const other = randomBytes(BYTES)
  const damages: Record<string, (file: string) => void> = {
    missing: file => rmSync(file),
    empty: file => truncateSync(file, 0),
    cut: file => truncateSync(file, statSync(file).size - 16),
    'one bit off': file => writeFileSync(file, changed(readFileSync(file), 1000)),
    'without its seal': file => writeFileSync(file, readFileSync(file).subarray(16, -16)),
  }

  test.each(Object.entries(damages))('%s', async (_name, damage) => {
    const bench = new Bench()
    const before = (await bench.write(content(original))).content
    await forgeMarks(bench, before, other)
    for (const file of bench.files) damage(file)
    expect((await bench.write(content(other), before)).content).toEqual(idsOf(other))
  })

  test('of another content, under this one’s name', async () => {
    const bench = new Bench()
    const before = (await bench.write(content(original))).content
    const [name = ''] = bench.files
    await bench.write(content(other))
    const stranger = bench.files.find(file => file !== name) ?? ''
    copyFileSync(stranger, name)
    expect((await bench.write(content(other), before)).content).toEqual(idsOf(other))
  })

  test('for another size of blocks', async () => {
    const bench = new Bench()
    const before = (await bench.write(content(original))).content
    await forgeMarks(bench, before, original)
    expect((await bench.write(content(original, 32_768), before)).content).toEqual(idsOf(original, 32_768))
  })

  test('of blobs that the repository has lost: they are stored anew', async () => {
    const bench = new Bench()
    const before = (await bench.write(content(original))).content
    const sound = await bench.write(content(original), before)
    expect(sound.bytesNew).toBeLessThan(100)
    const mended = await bench.write(content(original), before, before.slice(100, 101))
    expect(mended.content).toEqual(before)
    expect(mended.bytesNew).toBeGreaterThan(BLOCK)
  })
})

describe('a restore over what is there', () => {
  async function restoreOver(
    bench: Bench,
    wanted: readonly string[],
    there: Buffer,
  ): Promise<{ restored: Buffer; whole: boolean; writtenBytes: number }> {
    const path = join(makeTempDir(), 'file')
    writeFileSync(path, there)
    const plan = [{ content: wanted, sizeBytes: BYTES, path, delta: true }]
    const { writtenBytes } = await (await bench.repository()).restoreFiles(plan, { signal: live })
    const restored = readFileSync(path)
    return { restored, whole: restored.equals(original), writtenBytes }
  }

  const withMarks: Record<string, (bench: Bench) => void> = {
    'with marks': () => {},
    'without marks': bench => {
      for (const file of bench.files) rmSync(file)
    },
  }

  test.each(Object.entries(withMarks))('writes what differs and nothing else, %s', async (_name, prepare) => {
    const bench = new Bench()
    const { content: wanted } = await bench.write(content(original))
    prepare(bench)
    const there = changed(original, 0, 70_000, 5 << 20, (17 << 20) + 1, BYTES - 1)
    const last = BYTES % BLOCK
    expect(await restoreOver(bench, wanted, there)).toMatchObject({ whole: true, writtenBytes: 4 * BLOCK + last })
    expect(await restoreOver(bench, wanted, original)).toMatchObject({ whole: true, writtenBytes: 0 })
    const short = original.subarray(0, (9 << 20) + 7)
    expect(await restoreOver(bench, wanted, short)).toMatchObject({ whole: true, writtenBytes: BYTES - (9 << 20) })
    const long = Buffer.concat([original, randomBytes(200_000)])
    expect(await restoreOver(bench, wanted, long)).toMatchObject({ whole: true, writtenBytes: 0 })
  })

  test('marks are what decides; a mark that differs is asked again by SHA-256', async () => {
    const bench = new Bench()
    const { content: wanted } = await bench.write(content(original))
    const other = randomBytes(BYTES)
    // As above: it shows that the test before could fail. Behind the last whole stretch SHA-256 decides.
    await forgeMarks(bench, wanted, other)
    const { restored, writtenBytes } = await restoreOver(bench, wanted, other)
    const marked = BYTES - (BYTES % markedBytes(BLOCK))
    expect(restored.subarray(0, marked).equals(other.subarray(0, marked))).toBe(true)
    expect(restored.subarray(marked).equals(original.subarray(marked))).toBe(true)
    expect(writtenBytes).toBe(BYTES - marked)
    expect(await restoreOver(bench, wanted, original)).toMatchObject({ whole: true, writtenBytes: 0 })
  })

  test('begins in the middle of a stretch where other files were planned before it', async () => {
    const bench = new Bench()
    const { content: wanted } = await bench.write(content(original))
    const small = await bench.write(content(original.subarray(0, 3 * BLOCK)))
    const dir = makeTempDir()
    const there = changed(original, 70_000, (8 << 20) + 5, BYTES - 1)
    writeFileSync(join(dir, 'file'), there)
    const plan = [
      { content: small.content, sizeBytes: 3 * BLOCK, path: join(dir, 'small'), delta: true },
      { content: wanted, sizeBytes: BYTES, path: join(dir, 'file'), delta: true },
    ]
    const { writtenBytes } = await (await bench.repository()).restoreFiles(plan, { signal: live })
    expect(readFileSync(join(dir, 'file')).equals(original)).toBe(true)
    expect(writtenBytes).toBe(5 * BLOCK + (BYTES % BLOCK))
  })
})

describe('bytes that workers read themselves', () => {
  /** From a file, but what lies at `apart`, as pages in a write-ahead log do. */
  function fromFile(handle: FileHandle, bytes: Buffer, apart: (at: number) => boolean): ReadableContent {
    let at = 0
    return {
      sizeBytes: bytes.length,
      cut: CUT,
      skip: wanted => {
        const lengthBytes = Math.min(wanted, bytes.length - at)
        if (lengthBytes === 0 || apart(at)) return undefined
        const position = at
        at += lengthBytes
        return { descriptor: handle.fd, position, lengthBytes }
      },
      read: async into => {
        const part = bytes.subarray(at, at + into.length)
        into.set(part)
        at += part.length
        return part.length
      },
    }
  }

  test('are those of the file, with zeros after its end, among others that are given', async () => {
    const bench = new Bench()
    const path = join(makeTempDir(), 'file')
    writeFileSync(path, original)
    const handle = await open(path)
    const longer = Buffer.concat([original, Buffer.alloc(1_500_000)])
    // The file says something else where the log has newer pages.
    const overlaid = Buffer.from(longer)
    randomBytes(1 << 20).copy(overlaid, 7 << 20)
    try {
      const isApart = (at: number): boolean => at === 7 << 20
      const first = await bench.write(fromFile(handle, longer, () => false))
      expect(first.content).toEqual(idsOf(longer))
      const second = await bench.write(fromFile(handle, overlaid, isApart), first.content)
      expect(second.content).toEqual(idsOf(overlaid))
      expect(second.sizeBytes).toBe(longer.length)
    } finally {
      await handle.close()
    }
  })

  test('that cannot be read are the source’s error', async () => {
    const bench = new Bench()
    const handle = await open(makeTempDir())
    try {
      const written = bench.write(fromFile(handle, original, () => false))
      await expect(written).rejects.toMatchObject({ code: 'source-unreachable' })
    } finally {
      await handle.close()
    }
  })
})
