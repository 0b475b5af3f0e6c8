import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeName } from '../../base/bytes.ts'
import { quoteName, unquoteName } from './quoted-name.ts'

test.each([
  ['plain name.txt', 'plain name.txt'],
  ['say "hi" \\', 'say \\"hi\\" \\\\'],
  ['tab\there\n', 'tab\\there\\n'],
  ['文件', '文件'],
  ['\u0001\u007f', '\\x01\\x7f'],
  ['\u200b', '\\u200b'],
  ['😀\u{e0001}', '😀\\U000e0001'],
  [decodeName(Buffer.from([0x61, 0xff, 0x62])), 'a\\xffb'],
])('%j is stored as %s', (name, quoted) => {
  expect(quoteName(name)).toBe(quoted)
  expect(unquoteName(quoted, 'x')).toBe(name)
})

test('byte escapes may form UTF-8 together, as in Go', () => {
  expect(unquoteName('\\xe6\\x96\\x87\\101', 'x')).toBe('文A')
})

test.each(['\\', '\\q', '\\x1', '\\u12', '\\ud800', '\\U00110000', 'a"b', 'a\nb', '\\400', '\\constructor'])(
  'refuses %j',
  quoted => {
    expect(() => unquoteName(quoted, 'tree 1')).toThrow('tree 1 is damaged')
  },
)

test('every sequence of bytes survives', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), bytes => {
      const name = decodeName(bytes)
      expect(unquoteName(quoteName(name), 'x')).toBe(name)
    }),
  )
})
