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
  ['memory:', 'memory'],
  ['memory:a', 'memory'],
])('%s is %s', (url, kind) => {
  expect(findStorage(url).kind).toBe(kind)
})

test.each(['s3:https://key:secret@host/bucket', 'sftp://user:secret@host/x', 'http://x', '', ' '])(
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
