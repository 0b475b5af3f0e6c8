import { expect, test } from 'vitest'
import { contentLength, contentRange, retryAfterMs } from './headers.ts'

const NOW = new Date('2026-11-30T12:00:00Z')

test.each([
  ['30', 30_000],
  [' 0 ', 0],
  ['Mon, 30 Nov 2026 12:02:00 GMT', 120_000],
  ['Mon, 30 Nov 2026 11:00:00 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
  ['', undefined],
])('understands Retry-After: %s', (value, ms) => {
  expect(retryAfterMs({ 'retry-after': value }, NOW)).toBe(ms)
})

test.each([
  ['bytes 0-9/100', { offset: 0, length: 10, totalBytes: 100 }],
  ['bytes 5-5/*', { offset: 5, length: 1, totalBytes: undefined }],
  ['bytes */100', undefined],
  ['items 0-9/100', undefined],
])('understands Content-Range: %s', (value, range) => {
  expect(contentRange({ 'content-range': value })).toEqual(range)
})

test('understands lengths, and takes nothing else for one', () => {
  expect(contentLength({ 'content-length': '12' })).toBe(12)
  expect(contentLength({ 'content-length': '-1' })).toBeUndefined()
  expect(contentLength({})).toBeUndefined()
})
