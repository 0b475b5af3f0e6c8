import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CopyCounter } from './copy-counter.ts'

const TEXT = Buffer.from(
  [
    "SET client_encoding = 'UTF8';",
    'COPY public.film (id, title) FROM stdin;',
    '1\tone',
    '2\ttwo\\nlines',
    '',
    '\\N',
    'COPY public.nothing (x) FROM stdin;',
    '\\.',
    'SELECT 1;',
    'COPY "My ""Schema".empty (x) FROM stdin;',
    '\\.',
    'COPY shop."Order.Line" (x) FROM stdin;',
    'x'.repeat(5000),
    '\\.x',
    '\\.',
    '',
  ].join('\n'),
)

test('counts rows however the text is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: TEXT.length }), { maxLength: 20 }), cuts => {
      const counter = new CopyCounter()
      let from = 0
      for (const cut of [...cuts.toSorted((a, b) => a - b), TEXT.length]) {
        counter.add(TEXT.subarray(from, cut))
        from = cut
      }
      expect(Object.fromEntries(counter.rows)).toEqual({
        'public.film': 5,
        '"My ""Schema".empty': 0,
        'shop."Order.Line"': 2,
      })
      expect(counter.whole).toBe(true)
    }),
  )
})

test('says when the text ends inside of rows', () => {
  const counter = new CopyCounter()
  counter.add(TEXT.subarray(0, 100))
  expect(counter.whole).toBe(false)
  expect([...counter.rows]).toEqual([])
})
