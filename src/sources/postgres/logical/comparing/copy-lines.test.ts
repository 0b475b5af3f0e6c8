import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CopyLines, type CopyRow, fieldsOf, LONG_BYTES } from './copy-lines.ts'
import { RowShape } from './row-shape.ts'

/** Fed in pieces of these sizes, over and over. */
function read(text: string, sizes: readonly number[]): { rows: CopyRow[]; isWhole: boolean } {
  const rows: CopyRow[] = []
  const keep = (row: CopyRow): void => void rows.push('line' in row ? { line: Buffer.from(row.line) } : row)
  const lines = new CopyLines(keep)
  const bytes = Buffer.from(text)
  // One buffer for all pieces: nothing of it may be kept.
  const buffer = Buffer.alloc(Math.max(...sizes))
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = bytes.subarray(at, at + (sizes[turn % sizes.length] ?? 1))
    piece.copy(buffer)
    lines.add(buffer.subarray(0, piece.length))
    at += piece.length
  }
  return { rows, isWhole: lines.isWhole }
}

const short = fc.constantFrom('', 'a', '\\N', '\\t', 'ü', 'some words')
const long = fc.nat(3).map(count => 'x'.repeat(LONG_BYTES - 1 + count))
const field = fc.oneof({ weight: 6, arbitrary: short }, { weight: 1, arbitrary: long })
const table = fc.array(fc.tuple(field, field, field), { minLength: 1, maxLength: 8 })

it('gives the same rows however the bytes come', () => {
  fc.assert(
    fc.property(table, fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }), (rows, sizes) => {
      const text = rows.map(row => `${row.join('\t')}\n`).join('')
      const [whole, pieces] = [read(text, [text.length]), read(text, sizes)]
      const shape = new RowShape(['a', 'b', 'c'], ['a', 'b', 'c'], ['b'])
      const turned = new RowShape(['c', 'b', 'a'], ['a', 'b', 'c'], ['b'])
      expect(whole.isWhole && pieces.isWhole).toBe(true)
      expect(pieces.rows.map(row => shape.digest(row))).toEqual(whole.rows.map(row => shape.digest(row)))
      // Other columns beside them, in another order: a row is the same for all that.
      const other = rows.map(row => `${row.toReversed().join('\t')}\n`).join('')
      expect(read(other, sizes).rows.map(row => turned.digest(row))).toEqual(whole.rows.map(row => shape.digest(row)))
      const digests = new Set(whole.rows.map(row => shape.digest(row).row))
      expect(digests.size).toBe(new Set(rows.map(row => row.join('\t'))).size)
    }),
    { numRuns: 60 },
  )
})

it('keeps no more of a long value than its beginning', () => {
  const value = 'y'.repeat(5 * LONG_BYTES)
  const { rows } = read(`1\t${value}\t\\N\n`, [700])
  const [row] = rows
  const fields = row === undefined ? [] : fieldsOf(row)
  expect(fields).toHaveLength(3)
  expect(fields[1]).toMatchObject({ bytes: value.length, start: Buffer.alloc(LONG_BYTES, 'y') })
})

it('knows when the last row was cut', () => {
  expect(read('1\ta\n2\tb', [3]).isWhole).toBe(false)
  expect(read(`1\t${'z'.repeat(2 * LONG_BYTES)}`, [900]).isWhole).toBe(false)
  expect(read('', [3]).isWhole).toBe(true)
})
