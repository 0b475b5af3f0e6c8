import { expect, it } from 'vitest'
import { columnsOf } from './archive-tables.ts'

it.each([
  ['COPY public.film (film_id, title) FROM stdin;\n', ['film_id', 'title']],
  ['COPY "my (odd) shop"."a ""b"".c" ("select, all", "x ""y""", z) FROM stdin;\n', ['select, all', 'x "y"', 'z']],
  ['COPY public.none  FROM stdin;\n', []],
])('takes the columns out of %s', (copy, columns) => {
  expect(columnsOf(copy)).toEqual(columns)
})
