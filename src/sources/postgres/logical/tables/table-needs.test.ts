import { describe, expect, it } from 'vitest'
import type { TocEntry } from '../archive/toc.ts'
import { leftBehind, TableNeeds } from './table-needs.ts'

const entry = (id: number, kind: string, ...dependsOn: number[]): TocEntry => ({
  id,
  kind,
  dependsOn,
  schema: 'public',
  tag: `${kind} ${id}`,
  owner: 'o',
  tablespace: undefined,
})
const ids = (entries: readonly TocEntry[]): number[] => entries.map(each => each.id).toSorted((a, b) => a - b)
const nothingExists = (): boolean => false

describe('what a table needs to come back', () => {
  it('is all that it is made of, directly or not, and that the target lacks', () => {
    const toc = [
      entry(1, 'SCHEMA'),
      entry(2, 'TYPE', 1),
      entry(3, 'FUNCTION', 2),
      entry(4, 'TABLE', 3),
      entry(5, 'TYPE'),
    ]
    expect(ids(new TableNeeds(toc, nothingExists, new Set([4])).missing([4]))).toEqual([1, 2, 3])
    const schemaIsThere = (each: TocEntry): boolean => each.id === 1
    expect(ids(new TableNeeds(toc, schemaIsThere, new Set([4])).missing([4]))).toEqual([2, 3])
  })

  it('ends where functions need each other', () => {
    const toc = [entry(1, 'FUNCTION', 2), entry(2, 'FUNCTION', 1), entry(3, 'TABLE', 1)]
    const needs = new TableNeeds(toc, nothingExists, new Set([3]))
    expect(ids(needs.missing([3]))).toEqual([1, 2])
    expect(toc.map(each => needs.canCome(each))).toEqual([true, true, true])
  })

  it.each([
    ['a table that neither is there nor comes back', 'TABLE'],
    ['an extension that is not there', 'EXTENSION'],
  ])('cannot come of %s, however far away that is', (_what, kind) => {
    const toc = [entry(1, kind), entry(2, 'FUNCTION', 1), entry(3, 'VIEW', 2)]
    expect(new TableNeeds(toc, nothingExists, new Set()).canCome(toc[2]!)).toBe(false)
    expect(new TableNeeds(toc, each => each.id === 1, new Set()).canCome(toc[2]!)).toBe(true)
  })

  it('can come of a table that comes back with it', () => {
    const toc = [entry(1, 'TABLE'), entry(2, 'VIEW', 1)]
    expect(new TableNeeds(toc, nothingExists, new Set([1])).canCome(toc[1]!)).toBe(true)
  })
})

describe('what is left behind', () => {
  const toc = [
    entry(1, 'TABLE'),
    entry(2, 'RULE', 1),
    entry(3, 'EVENT TRIGGER', 2),
    entry(4, 'COMMENT', 1),
    entry(5, 'RULE'),
  ]

  it('went with what is made again, or with what went with that', () => {
    expect(ids(leftBehind(toc, new Set([1]), new Set([1]), nothingExists))).toEqual([2, 3])
  })

  it('is nothing that comes back or is there', () => {
    expect(ids(leftBehind(toc, new Set([1, 2]), new Set([1]), nothingExists))).toEqual([])
    expect(ids(leftBehind(toc, new Set([1]), new Set([1]), each => each.id === 2))).toEqual([])
  })
})
