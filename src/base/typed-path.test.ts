import { expect, test } from 'vitest'
import { typedPath } from './typed-path.ts'

const type = (path: string): string => typedPath(path, { HOME: '/home/a' })

test.each([
  ['~/b', '/home/a/b'],
  ['~b/c', '~b/c'],
  ['./~/b', './~/b'],
  ['/x', '/x'],
  ['s3:bucket', 's3:bucket'],
  ['postgres://h/d', 'postgres://h/d'],
])('%s is %s', (path, meant) => expect(type(path)).toBe(meant))

test.each([
  ['C:\\data\\app.db', '/mnt/c/data/app.db'],
  ['d:/data', '/mnt/d/data'],
  ['\\\\server\\share', 'Mount the share'],
])('%s is a path of Windows', (path, hint) => {
  expect(() => type(path)).toThrow(expect.objectContaining({ code: 'usage', hint: expect.stringContaining(hint) }))
})
