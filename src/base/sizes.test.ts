import { expect, test } from 'vitest'
import { formatSize, parsePart, parseSize } from './sizes.ts'

test.each([
  ['0', 0],
  ['512', 512],
  ['64K', 65_536],
  ['64 KiB', 65_536],
  ['1.5 GiB', 1_610_612_736],
  ['2GB', 2_000_000_000],
  ['10 bytes', 10],
  ['1kb', 1000],
])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes))

test.each(['', '-1', '1 x', 'M', '1..5K', '1e3', '99999999P'])('refuses %j', text =>
  expect(parseSize(text)).toBeUndefined(),
)

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1_048_575, '1.0 MiB'],
  [361_758_720, '345 MiB'],
  [-2048, '-2.0 KiB'],
])('writes %d as %s', (bytes, text) => expect(formatSize(bytes)).toBe(text))

test('reads parts', () => {
  expect(['10%', '2.5 %', '1/4', '100%', '0%', '101%', '10', '1/0'].map(parsePart)).toEqual([
    0.1,
    0.025,
    0.25,
    1,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
