import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeField, encodeField, parseCopy, splitRow } from './copy-field.ts'

describe("COPY's text", () => {
  it('comes back the same, whatever is in it', () => {
    for (const encoding of ['utf8', 'latin1'] as const) {
      const text = encoding === 'utf8' ? fc.string({ unit: 'grapheme' }) : fc.string({ unit: 'binary-ascii' })
      fc.assert(
        fc.property(fc.array(fc.option(text, { nil: undefined }), { minLength: 1 }), values => {
          const line = Buffer.from(
            values.map(value => encodeField(value, encoding).toString('latin1')).join('\t'),
            'latin1',
          )
          expect(line.includes(10)).toBe(false)
          expect(splitRow(line).map(field => decodeField(field, encoding))).toEqual(values)
        }),
      )
    }
  })

  it.each([
    ['\\N', undefined],
    ['\\\\N', '\\N'],
    ['', ''],
    ['a\\tb\\nc\\rd\\be\\ff\\vg\\\\h', 'a\tb\nc\rd\be\ff\vg\\h'],
    ['\\x41\\101\\q', 'AAq'],
    ['\\xc3\\xa9', 'é'],
  ])('%j is %j', (field, value) => {
    expect(decodeField(Buffer.from(field), 'utf8')).toBe(value)
  })

  it('names its table and columns, however they are quoted', () => {
    expect(parseCopy('COPY public.users (id, email) FROM stdin;')).toEqual({
      table: 'public.users',
      columns: ['id', 'email'],
    })
    expect(parseCopy('COPY "My, Schema"."a""b.c" ("x, y", "(z)", plain) FROM stdin;')).toEqual({
      table: 'My, Schema.a"b.c',
      columns: ['x, y', '(z)', 'plain'],
    })
    expect(parseCopy('COPY public.none () FROM stdin;')).toEqual({ table: 'public.none', columns: [] })
    expect(parseCopy("SELECT 'COPY public.users (id) FROM stdin;'")).toBeUndefined()
  })
})
