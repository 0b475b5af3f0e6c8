import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAppError } from '../../../../base/errors.ts'
import {
  amongTables,
  anyTable,
  displayName,
  isName,
  matchesTable,
  selector,
  type TableFilter,
  toolTablePattern,
} from './table-pattern.ts'

const all: TableFilter = { tables: [], excludeTables: [], schemas: [], excludeSchemas: [] }
const t = (name: string, schema = 'public') => ({ schema, name })

describe('names for people', () => {
  it('are patterns that fit one table alone', () => {
    const parts = fc.stringMatching(/^[a-zA-Z."*?$ |é\\]{1,8}$/)
    fc.assert(
      fc.property(parts, parts, parts, parts, (schema, name, otherSchema, otherName) => {
        const pattern = displayName({ schema, name })
        expect(isName(pattern)).toBe(true)
        const same = schema === otherSchema && name === otherName
        expect(matchesTable(pattern, { schema, name })).toBe(true)
        expect(matchesTable(pattern, { schema: otherSchema, name: otherName })).toBe(same)
      }),
    )
  })

  it('are plain where they can be', () => {
    expect(displayName(t('film'))).toBe('public.film')
    expect(displayName(t('b.c', 'My "a"'))).toBe('"My ""a"""."b.c"')
  })
})

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
    ['Ünï', 'public', 'Ünï', true],
    ['Ünï', 'public', 'ünï', false],
    ['?', 'public', '😀', true],
    ['pre"Fix"*', 'public', 'preFix-1', true],
    ['"my shop".*', 'my shop', 'Order Item', true],
    ['my shop.order item', 'my shop', 'order item', true],
    ['a/b[0-9]', 'public', 'a/b[0-9]', true],
  ]
  for (const [pattern, schema, name, fits] of cases) {
    it(`${pattern} ${fits ? 'fits' : 'does not fit'} ${schema}.${name}`, () => {
      expect(matchesTable(pattern, t(name, schema))).toBe(fits)
      expect(anyTable(['other.*', pattern])(t(name, schema))).toBe(fits || schema === 'other')
      expect(amongTables([t('x', 'y'), t(name, schema)])(pattern)).toBe(fits)
    })
  }

  it('become those of pg_dump', () => {
    expect(toolTablePattern('film_*')).toBe('*."film_"*')
    expect(toolTablePattern('Shop."Order?"')).toBe('"shop"."Order?"')
    expect(toolTablePattern('a+[b]')).toBe('*."a+[b]"')
  })

  it('combines as pg_dump does', () => {
    expect(selector(all)(t('x'))).toBe(true)
    expect(selector({ ...all, tables: ['a*'], excludeTables: ['ab'] })(t('ab'))).toBe(false)
    expect(selector({ ...all, tables: ['a*'], schemas: ['other'] })(t('a'))).toBe(true)
    expect(selector({ ...all, schemas: ['shop'] })(t('a'))).toBe(false)
    expect(selector({ ...all, excludeSchemas: ['pub*'] })(t('a'))).toBe(false)
  })

  it('refuses what is no pattern', () => {
    for (const bad of ['a.b.c', '"open', '', 'a.']) {
      expect(() => matchesTable(bad, t('a'))).toThrow(expect.toSatisfy((e: unknown) => isAppError(e, 'usage')))
    }
  })
})
