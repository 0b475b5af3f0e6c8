import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { BitSet, IdTable } from './id-table.ts'

const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('hex')

test('numbers ids in order, once each, and gives them back', () => {
  const table = new IdTable()
  for (let n = 0; n < 5000; n++) expect(table.add(idOf(n))).toBe(n)
  for (let n = 0; n < 5000; n += 7) {
    expect(table.add(idOf(n))).toBe(n)
    expect(table.find(idOf(n))).toBe(n)
    expect(table.idAt(n)).toBe(idOf(n))
  }
  expect(table.find(idOf(5000))).toBe(-1)
  expect(table.size).toBe(5000)
  expect(() => table.add('3f2a')).toThrow(TypeError)
})

test('ids that fall on one slot are told apart', () => {
  const table = new IdTable()
  const ids = Array.from({ length: 50 }, (_, n) => `00000000${n.toString(16).padStart(56, '0')}`)
  for (const id of ids) table.add(id)
  expect(ids.map(id => table.find(id))).toEqual(ids.map((_, n) => n))
})

test('bits', () => {
  const bits = new BitSet()
  for (const n of [0, 31, 32, 99_999]) bits.add(n)
  expect([0, 1, 31, 32, 33, 99_999, 100_000, 9_999_999].map(n => bits.has(n))).toEqual([
    true,
    false,
    true,
    true,
    false,
    true,
    false,
    false,
  ])
})
