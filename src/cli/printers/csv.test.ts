import { expect, test } from 'vitest'
import { formatCsv } from './csv.ts'

test('CSV quotes what would be read as something else, and tells NULL from an empty text', () => {
  const rows = [
    [1n, null, ''],
    ['a,b', 'say "x"', 'two\nlines'],
    [0.5, Uint8Array.of(0xc0, 0xff), 'plain text'],
  ]
  expect(formatCsv(['n', 'a "b"', 'n'], rows)).toBe(
    'n,"a ""b""",n\n1,,""\n"a,b","say ""x""","two\nlines"\n0.5,c0ff,plain text\n',
  )
})
