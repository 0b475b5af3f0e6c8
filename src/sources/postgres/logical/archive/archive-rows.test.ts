import { expect, it } from 'vitest'
import { ArchiveRows } from './archive-rows.ts'

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32LE(value, 1)
  return bytes
}
const none = Buffer.from([1, 1, 0, 0, 0])
const text = (value: string): Buffer => Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)])
const part = (value: string): Buffer => text(value)

/** One entry of the table of contents as version 1.14 writes it. */
function entry(id: number, kind: string, tag: string): Buffer {
  const texts = [tag, kind].map(text)
  return Buffer.concat([
    int(id),
    int(1),
    text('0'),
    text('0'),
    ...texts,
    int(3),
    text(''),
    text(''),
    text(''),
    text('public'),
    text(''),
    text(''),
    text('me'),
    text('false'),
    none,
    Buffer.alloc(9),
  ])
}

const HEAD = Buffer.concat([
  Buffer.from('PGDMP'),
  Buffer.from([1, 14, 0, 4, 8, 1]),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map(int),
  ...['app', '15', '15'].map(text),
])
const ROWS = (id: number, parts: readonly string[]): Buffer =>
  Buffer.concat([Buffer.from([1]), int(id), ...parts.map(part), int(0)])
const LONG = `${'x'.repeat(400)}\n`

const ARCHIVE = Buffer.concat([
  HEAD,
  int(4),
  entry(7, 'TABLE DATA', 'a'),
  entry(8, 'BLOBS', 'BLOBS'),
  entry(9, 'TABLE DATA', 'B c'),
  entry(10, 'TABLE DATA', 'empty'),
  // One row a part, several in one, one in several; lines that are empty are rows.
  ROWS(7, ['1\tx\n', LONG + LONG, '3\ty', 'z\n', '\n', '\\.\n\n\n']),
  // Two large objects, full of newlines.
  Buffer.concat([Buffer.from([3]), int(8), int(501), part('\n\n\n'), int(0), int(502), part('\n'), int(0), int(0)]),
  ROWS(9, ['\\\\.\n\\.\n\n\n']),
  ROWS(10, ['\\.\n\n\n']),
])

it.each([1, 4, 1000, 1_000_000])('counts what is in the blocks of an archive, %i bytes at a time', async step => {
  const found: Array<[string, number]> = []
  const rows = new ArchiveRows((table, count) => found.push([table, count]))
  const buffer = Buffer.alloc(step)
  for (let at = 0; at < ARCHIVE.length; at += step) {
    const count = ARCHIVE.copy(buffer, 0, at, at + step)
    await rows.add(buffer.subarray(0, count))
  }
  expect(found).toEqual([
    ['public.a', 5],
    ['public."B c"', 1],
    ['public.empty', 0],
  ])
})

it('says nothing of what it does not know', async () => {
  for (const bytes of [Buffer.alloc(500), Buffer.concat([HEAD, int(0), Buffer.from([9, 9, 9])])]) {
    const found: string[] = []
    const rows = new ArchiveRows(table => found.push(table))
    await rows.add(bytes)
    await rows.add(ARCHIVE)
    expect(found).toEqual([])
  }
})
