import { describe, expect, it } from 'vitest'
import { isAppError } from '../../../base/errors.ts'
import { matchesTable, selects, type TableFilter } from './table-pattern.ts'

const all: TableFilter = { tables: [], excludeTables: [], schemas: [], excludeSchemas: [] }
const t = (name: string, schema = 'public') => ({ schema, name })

describe('table patterns', () => {
  const cases: Array<[string, string, string, boolean]> = [
    ['film', 'public', 'film', true],
    ['film', 'other', 'film', true],
    ['FILM', 'public', 'film', true],
    ['"Film"', 'public', 'Film', true],
    ['Film', 'public', 'Film', false],
    ['fil?', 'public', 'film', true],
    ['fil?', 'public', 'films', false],
    ['shop.*', 'shop', 'orders', true],
    ['shop.*', 'public', 'orders', false],
    ['"a.b".c', 'a.b', 'c', true],
    ['a+b', 'public', 'a+b', true],
    ['a+b', 'public', 'aab', false],
    ['"say ""hi"""', 'public', 'say "hi"', true],
    ['"*"', 'public', 'x', false],
  ]
  for (const [pattern, schema, name, fits] of cases) {
    it(`${pattern} ${fits ? 'fits' : 'does not fit'} ${schema}.${name}`, () => {
      expect(matchesTable(pattern, t(name, schema))).toBe(fits)
    })
  }

  it('combines as pg_dump does', () => {
    expect(selects(all, t('x'))).toBe(true)
    expect(selects({ ...all, tables: ['a*'], excludeTables: ['ab'] }, t('ab'))).toBe(false)
    expect(selects({ ...all, tables: ['a*'], schemas: ['other'] }, t('a'))).toBe(true)
    expect(selects({ ...all, schemas: ['shop'] }, t('a'))).toBe(false)
    expect(selects({ ...all, excludeSchemas: ['pub*'] }, t('a'))).toBe(false)
  })

  it('refuses what is no pattern', () => {
    for (const bad of ['a.b.c', '"open', '', 'a.']) {
      expect(() => matchesTable(bad, t('a'))).toThrow(expect.toSatisfy((e: unknown) => isAppError(e, 'usage')))
    }
  })
})
