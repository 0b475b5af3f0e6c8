import { expect, test } from 'vitest'
import { parseOrigin, samePoint } from './origin.ts'

const NOW = new Date('2026-11-30T12:00:00Z')
const read = (text: string) => {
  const { repository, point } = parseOrigin(text, NOW)
  return point === undefined ? [repository] : [repository, point]
}

test.each([
  [['main'], 'main'],
  [['main', 'latest'], 'main:latest'],
  [['main', '3f2a11c0'], 'main:3f2a11c0'],
  [['main', '2026-09-04 02:00'], 'main:2026-09-04 02:00'],
  [['main', '2026-09-04T02:00:07+02:00'], 'main:2026-09-04T02:00:07+02:00'],
  [['main', '02:00'], 'main:02:00'],
  [['main', '3h ago'], 'main:3h ago'],
  [['s3', 'latest'], 's3:latest'],
  [['s3:https://h:9000/b/p'], 's3:https://h:9000/b/p'],
  [['s3:https://h:9000/b/p', 'latest'], 's3:https://h:9000/b/p:latest'],
  [['s3:https://h:9000/b/p', '2026-09-04 02:00'], 's3:https://h:9000/b/p:2026-09-04 02:00'],
  [['s3:https://h:9000'], 's3:https://h:9000'],
  [['rest:http://[::1]:8000/r', '3f2a'], 'rest:http://[::1]:8000/r:3f2a'],
  [['sftp:u@h:/p'], 'sftp:u@h:/p'],
  [['sftp:u@h:/p', '3f2a'], 'sftp:u@h:/p:3f2a'],
  [['sftp://u@h:2222'], 'sftp://u@h:2222'],
  [['sftp://u@h:2222/p', '2222'], 'sftp://u@h:2222/p:2222'],
  [['file:///backups', 'latest'], 'file:///backups:latest'],
  [['/a:b'], '/a:b'],
  [['/a:b', 'latest'], '/a:b:latest'],
  [['/a', 'beef'], '/a:beef'],
  [['/a:beef/'], '/a:beef/'],
  [['./x'], './x'],
  [['./x', 'LATEST'], './x:LATEST'],
  [['main:lates'], 'main:lates'],
  [['main:'], 'main:'],
  [[':latest'], ':latest'],
])('%j is what "%s" names', (expected, text) => {
  expect(read(text)).toEqual(expected)
})

test('two words may name the same recovery point, and then the more exact one counts', () => {
  expect(samePoint('latest', 'LATEST', NOW)).toEqual({ kind: 'latest' })
  expect(samePoint('3f2a', '3F2A11c0', NOW)).toEqual({ kind: 'id', prefix: '3f2a11c0' })
  expect(samePoint('3f2a11c0', '3f2a', NOW)).toEqual({ kind: 'id', prefix: '3f2a11c0' })
  expect(() => samePoint('3f2a', '9b1c', NOW)).toThrow('"3f2a" and "9b1c" are two recovery points')
  expect(() => samePoint('latest', '1h ago', NOW)).toThrow('two recovery points')
})
