import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { makeFolders } from './make-folders.ts'

it('makes what is missing, and gives the first that it made', async () => {
  const dir = makeTempDir()
  expect(await makeFolders(join(dir, 'a/b/c'), 0o700)).toBe(join(dir, 'a'))
  expect(statSync(join(dir, 'a/b/c')).mode & 0o777).toBe(0o700)
  expect(await makeFolders(join(dir, 'a/b/c'))).toBeUndefined()
  expect(await makeFolders(join(dir, 'a/b/d'))).toBe(join(dir, 'a/b/d'))
  mkdirSync(join(dir, 'real'))
  symlinkSync('real', join(dir, 'link'))
  expect(await makeFolders(join(dir, 'link/x'))).toBe(join(dir, 'link/x'))
  expect(existsSync(join(dir, 'real/x'))).toBe(true)
})

// Node's own tries for ever at most of these.
it.each([
  ['below /proc', () => '/proc/lifeboat/x', 'ENOENT'],
  ['through a link to what is not mounted', (dir: string) => join(dir, 'dangling/x'), 'EEXIST'],
  ['that is such a link itself', (dir: string) => join(dir, 'dangling'), 'EEXIST'],
  ['below a file', (dir: string) => join(dir, 'file/x/y'), 'ENOTDIR'],
  ['that is a file', (dir: string) => join(dir, 'file'), 'EEXIST'],
])('ends for a folder %s', async (_what, place, code) => {
  const dir = makeTempDir()
  symlinkSync(join(dir, 'gone/disk'), join(dir, 'dangling'))
  writeFileSync(join(dir, 'file'), '')
  await expect(makeFolders(place(dir))).rejects.toMatchObject({ code })
})
