import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { createRepository, type ReadableContent, type Repository } from '../index.ts'

const MIB = 1024 * 1024

/** Data where the number is positive, zeros where it is negative; `known` zeros are passed, not read. */
function contentOf(parts: readonly number[], known: boolean): ReadableContent & { readonly bytesRead: number } {
  const sizeBytes = parts.reduce((sum, part) => sum + Math.abs(part), 0)
  const bytes = Buffer.alloc(sizeBytes)
  const holes: Array<readonly [number, number]> = []
  let end = 0
  for (const part of parts) {
    const start = end
    end += Math.abs(part)
    if (part < 0) holes.push([start, end])
    // Of no pattern, the same each time.
    else for (let at = start, x = part; at < end; at += 4) bytes.writeUInt32LE((x = (x * 1_664_525 + 1) >>> 0), at)
  }
  let at = 0
  let bytesRead = 0
  return {
    sizeBytes,
    cut: { kind: 'content' },
    get bytesRead() {
      return bytesRead
    },
    read: into => {
      const count = bytes.copy(into, 0, at, Math.min(sizeBytes, at + into.length))
      at += count
      bytesRead += count
      return Promise.resolve(count)
    },
    zeros: known
      ? {
          aheadBytes: () => (holes.find(([start, stop]) => start <= at && at < stop)?.[1] ?? at) - at,
          pass: lengthBytes => {
            at += lengthBytes
          },
        }
      : undefined,
  }
}

describe('zeros that are known', () => {
  let repository: Repository

  beforeAll(async () => {
    repository = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
  })
  afterAll(() => repository.close())

  it.each([
    ['in the middle', [MIB, -17 * MIB, 2 * MIB], 12],
    ['at the start', [-14 * MIB, MIB], 10],
    ['at the end', [5 * MIB, -14 * MIB], 13],
    ['alone', [-13 * MIB - 4], 9],
    ['twice, and not in whole blocks', [MIB + 4, -13 * MIB - 44, 2 * MIB, -13 * MIB - 4, 4], 24],
    ['too short to pass', [5 * MIB, -3 * MIB, MIB], 9],
  ])('%s, give the blobs that reading them gives', async (_where, parts, mostRead) => {
    const writing = await repository.startWriting({ signal: new AbortController().signal })
    try {
      const content = contentOf(parts, true)
      const passed = await writing.writeContent(content)
      expect(passed).toEqual(await writing.writeContent(contentOf(parts, false)))
      expect(content.bytesRead).toBeLessThanOrEqual(mostRead * MIB)
    } finally {
      await writing.abort()
    }
  })
})
