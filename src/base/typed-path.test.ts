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
  ['file:///srv/a%20b.db', '/srv/a b.db'],
  ['file://localhost/srv/a.db?mode=rwc', '/srv/a.db'],
  ['file:/srv/a.db', '/srv/a.db'],
  ['./file:x', './file:x'],
])('%s is %s', (path, meant) => expect(type(path)).toBe(meant))

test.each([
  ['C:\\data\\app.db', '/mnt/c/data/app.db'],
  ['d:/data', '/mnt/d/data'],
  ['\\\\server\\share', 'Mount the share'],
])('%s is a path of Windows', (path, hint) => {
  expect(() => type(path)).toThrow(expect.objectContaining({ code: 'usage', hint: expect.stringContaining(hint) }))
})

test.each([
  ['file:./dev.db', './dev.db'],
  ['file:dev.db?mode=rw', './dev.db'],
  ['FILE:../dev.db', '../dev.db'],
  ['file://server/share', './server/share'],
])('%s is no path that is known here', (url, path) => {
  expect(() => type(url)).toThrow(
    expect.objectContaining({ code: 'usage', hint: `Write the path itself, such as ${path}.` }),
  )
})
