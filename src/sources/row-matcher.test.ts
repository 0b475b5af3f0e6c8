import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { digestOf } from './row-digest.ts'
import { type DigestedRow, RowMatcher, type Side } from './row-matcher.ts'
import { RowTally } from './row-tally.ts'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lb-matcher-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

interface Row {
  readonly table: number
  readonly key: number | undefined
  readonly value: number
}

const row: fc.Arbitrary<Row> = fc.record({
  table: fc.integer({ min: 0, max: 1 }),
  key: fc.option(fc.nat(40), { nil: undefined }),
  value: fc.nat(3),
})
const side = fc.uniqueArray(row, {
  maxLength: 80,
  // Keys are unique in their table; rows without one need not be.
  comparator: (a, b) => a.key !== undefined && a.key === b.key && a.table === b.table,
})

const digest = (value: unknown): string => digestOf([Buffer.from(String(value))])
const digested = ({ key, value }: Row): DigestedRow => ({
  key: key === undefined ? undefined : digest(key),
  row: digest(`${key ?? ''}:${value}`),
})

/** Row by row, with all rows at hand. */
function model(before: readonly Row[], after: readonly Row[], table: number) {
  const [old, young] = [before, after].map(rows => rows.filter(each => each.table === table))
  const left = [...(old ?? [])]
  let [onlyAfter, changed] = [0, 0]
  for (const each of young ?? []) {
    const at = left.findIndex(other => other.key === each.key && (each.key !== undefined || other.value === each.value))
    if (at < 0) onlyAfter += 1
    else if (left[at]?.value !== each.value) changed += 1
    if (at >= 0) left.splice(at, 1)
  }
  return { onlyBefore: left.length, onlyAfter, changed }
}

it('counts as a model does, in any order, in memory or through files', () => {
  const order = fc.array(fc.boolean(), { maxLength: 40 })
  fc.assert(
    fc.property(side, side, order, fc.constantFrom(2, 7, 1000), (before, after, turns, maxPending) => {
      const tally = new RowTally(3)
      const tables = [tally.addTable(), tally.addTable()]
      const matcher = new RowMatcher(dir, tally, maxPending)
      const left: Record<Side, Row[]> = { before: [...before], after: [...after] }
      const take = (from: Side): void => {
        const next = left[from].shift()
        if (next) matcher.add(from, next.table, digested(next))
      }
      for (const turn of turns) take(turn ? 'before' : 'after')
      while (left.before.length + left.after.length > 0) for (const each of ['after', 'before'] as const) take(each)
      matcher.finish()
      matcher.close()
      for (const table of tables) {
        const expected = model(before, after, table)
        expect(tally.countsOf(table)).toEqual(expected)
        expect(tally.wantedOf(table).changed.size).toBe(Math.min(3, expected.changed))
      }
      expect(readdirSync(dir)).toEqual([])
    }),
    { numRuns: 300 },
  )
})

it('loses no row where one side has a key twice', () => {
  const tally = new RowTally()
  const table = tally.addTable()
  const matcher = new RowMatcher(dir, tally)
  for (const value of [1, 2]) matcher.add('before', table, digested({ table, key: 7, value }))
  matcher.add('after', table, digested({ table, key: 7, value: 1 }))
  matcher.finish()
  expect(tally.countsOf(table)).toEqual({ onlyBefore: 1, onlyAfter: 0, changed: 0 })
})
