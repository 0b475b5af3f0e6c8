import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { findStorage, STORAGES } from './registry.ts'

test('every adapter folder is registered', () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter(entry => entry.isDirectory())
  expect(STORAGES.map(storage => storage.kind).sort()).toEqual(folders.map(entry => entry.name).sort())
})

test.each([
  ['./backups', 'local'],
  ['backups', 'local'],
  ['/backups', 'local'],
  ['~/backups', 'local'],
  ['./s3:odd', 'local'],
  ['file:///backups', 'local'],
  ['rest:https://host/', 'rest'],
  ['s3:s3.eu-central-1.amazonaws.com/bucket', 's3'],
  ['s3:http://127.0.0.1:9000/bucket/folder', 's3'],
  ['S3://host/bucket', 's3'],
  ['sftp:user@host:/backups', 'sftp'],
  ['sftp://user@host:22//backups', 'sftp'],
])('%s is %s', (url, kind) => {
  expect(findStorage(url).kind).toBe(kind)
})

test.each(['memory:', 'memory:a', 'MEMORY:a'])('%s is for tests, and says so', url => {
  expect(() => findStorage(url)).toThrow(/^memory: is gone when the process ends, so it cannot hold a repository$/)
})

test('tells the folder of a url without opening it', () => {
  expect(findStorage('./backups').folderOf('./backups', '/app')).toBe('/app/backups')
  expect(findStorage('file:///b').folderOf('file:///b', '/app')).toBe('/b')
})

test.each(['b2:key:secret@bucket', 'ftp://user:secret@host/x', 'http://x', '', ' '])(
  '%j is unsupported, with what is supported and without its secrets',
  url => {
    let thrown: unknown
    try {
      findStorage(url)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'unsupported', hint: expect.stringContaining('./folder') })
    expect(JSON.stringify(thrown) + String(thrown)).not.toContain('secret')
  },
)
