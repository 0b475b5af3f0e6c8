import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownerOfFolder } from '../../base/folder-owner.ts'
import { writeBlocks, writePastCache } from './past-cache.ts'
import { writeDurably } from './write-file.ts'

const MIB = 1024 * 1024

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-past-cache-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const SHAPES: readonly (readonly number[])[] = [
  [],
  [0],
  [1],
  [MIB - 1],
  [MIB],
  [MIB + 1],
  [4095, MIB, 1],
  [3 * MIB + 4096],
  [2 * MIB + 17, 0, 5, MIB - 22],
  Array.from({ length: 3000 }, (_, i) => 700 + (i % 9)),
]

describe('writeDurably', () => {
  test.each(SHAPES)('writes parts of any lengths whole and in order: %j', async (...lengths) => {
    const parts = lengths.map(length => randomBytes(length))
    const path = join(folder, 'object')
    await writeDurably(path, { parts, owner: await ownerOfFolder(folder) })
    expect((await readFile(path)).equals(Buffer.concat(parts))).toBe(true)
  })

  test('several at once do not share memory', async () => {
    const contents = Array.from({ length: 6 }, () => randomBytes(2 * MIB + 100))
    const owner = await ownerOfFolder(folder)
    await Promise.all(contents.map((content, i) => writeDurably(join(folder, String(i)), { parts: [content], owner })))
    for (const [i, content] of contents.entries()) {
      expect((await readFile(join(folder, String(i)))).equals(content)).toBe(true)
    }
  })

  test('never writes to what is there', async () => {
    await writeFile(join(folder, 'object'), 'mine')
    const owner = await ownerOfFolder(folder)
    await expect(writeDurably(join(folder, 'object'), { parts: [randomBytes(MIB)], owner })).rejects.toMatchObject({
      code: 'EEXIST',
    })
    expect(await readFile(join(folder, 'object'), 'utf8')).toBe('mine')
  })
})

test('takes whole blocks where the file system can, and the memory is aligned for it', async context => {
  const path = join(folder, 'object')
  await writeFile(path, '')
  const written = await writePastCache(path, [randomBytes(MIB + 5000)])
  // tmpfs and some network file systems have no direct I/O.
  if (written === 0) context.skip('needs a file system with direct I/O for temporary files')
  expect(written).toBe(MIB + 4096)
})

describe('writeBlocks', () => {
  const content = randomBytes(3 * MIB + 10)

  test('stops where direct I/O is refused, and leaves the rest', async () => {
    const refuses = answers([MIB, error('EINVAL')])
    expect(await writeBlocks(refuses, [content])).toBe(MIB)
    expect(refuses.calls).toBe(2)
  })

  test('counts whole blocks of a write that was cut short', async () => {
    expect(await writeBlocks(answers([MIB, 10_000]), [content])).toBe(MIB + 8192)
  })

  test('does not hide that the disk is full or broken', async () => {
    await expect(writeBlocks(answers([MIB, error('ENOSPC')]), [content])).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(writeBlocks(answers([error('EIO')]), [content])).rejects.toMatchObject({ code: 'EIO' })
  })

  test('goes on where a write that was cut short ended', async () => {
    const path = join(folder, 'object')
    await using file = await open(path, 'wx')
    const cut = {
      write: async (...[bytes, from, length, at]: [Uint8Array, number, number, number]) =>
        await file.write(bytes, from, Math.min(length, 600_000), at),
    }
    const written = await writeBlocks(cut as never, [content])
    expect(written).toBe(598_016)
    await file.writev([content.subarray(written)], written)
    expect((await readFile(path)).equals(content)).toBe(true)
  })
})

function error(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** A file whose writes end like this, one after the other. */
function answers(results: readonly (number | Error)[]): Parameters<typeof writeBlocks>[0] & { calls: number } {
  const file = {
    calls: 0,
    write: async () => {
      const result = results[file.calls++]
      if (typeof result !== 'number') throw result
      return { bytesWritten: result, buffer: new Uint8Array() }
    },
  }
  return file as never
}
