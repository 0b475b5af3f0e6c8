import { describe, expect, test } from 'vitest'
import { relationBlockBytes, SAMPLE_BYTES } from './block-size.ts'

const PAGE = 8192
const FINE = 16_384
const COARSE = 65_536

/** As PostgreSQL lays out a page: header, line pointers, rows from the end. */
function page(rowBytes: number, rows: number, special = PAGE): Buffer {
  const bytes = Buffer.alloc(PAGE)
  bytes.writeUInt16LE(24 + rows * 4, 12)
  bytes.writeUInt16LE(special, 16)
  for (let row = 0; row < rows; row++) bytes.writeUInt32LE(((rowBytes << 17) | (1 << 15)) >>> 0, 24 + row * 4)
  return bytes
}

const sample = (one: Buffer): Buffer => Buffer.concat(Array.from({ length: SAMPLE_BYTES / PAGE }, () => one))
const node = (sizeBytes: number, blobs: number): Parameters<typeof relationBlockBytes>[1] => ({
  name: '1',
  type: 'file',
  mode: 0o600,
  mtimeNs: 0n,
  uid: 0,
  gid: 0,
  sizeBytes,
  content: Array.from({ length: blobs }, () => ''),
})

describe('where a relation is cut', () => {
  test.each([
    ['small rows', sample(page(120, 60)), COARSE],
    ['large rows', sample(page(1500, 5)), FINE],
    ['an index', sample(page(0, 0, PAGE - 16)), COARSE],
    ['pages that were never used', sample(Buffer.alloc(PAGE)), FINE],
    ['what is shorter than a block', page(1500, 5), COARSE],
    ['nonsense', sample(Buffer.alloc(PAGE, 0xff)), COARSE],
  ])('%s', (_, start, bytes) => expect(relationBlockBytes(start, undefined)).toBe(bytes))

  test('stays as it was, whatever the pages hold now', () => {
    const size = 100 * PAGE
    expect(relationBlockBytes(sample(page(120, 60)), node(size, 50))).toBe(FINE)
    expect(relationBlockBytes(sample(page(1500, 5)), node(size, 13))).toBe(COARSE)
    // Cut by another program, or too short to tell.
    expect(relationBlockBytes(sample(page(1500, 5)), node(size, 1))).toBe(FINE)
    expect(relationBlockBytes(sample(page(1500, 5)), node(PAGE, 1))).toBe(FINE)
  })
})
