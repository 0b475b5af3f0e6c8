import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeScratchFolder, privateFolder } from './private-folder.ts'
import { ownerName } from './process-life.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-private-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

test('a new folder is its owner’s alone, one that is there keeps its mode', async () => {
  expect(await modeOf(await privateFolder(join(folder, 'a/b')))).toBe(0o700)
  await chmod(join(folder, 'a/b'), 0o750)
  expect(await modeOf(await privateFolder(join(folder, 'a/b')))).toBe(0o750)
})

test('a place that cannot be a folder is a clear error', async () => {
  await writeFile(join(folder, 'file'), '')
  await expect(privateFolder(join(folder, 'file/below'))).rejects.toMatchObject({ code: 'failed' })
})

test('a scratch folder that cannot be made is a clear error', async () => {
  // There is room for this path, and none for a name in it.
  const deep = `${folder}${`/${'a'.repeat(99)}`.repeat(50)}`.slice(0, 4090).replace(/\/$/, 'a')
  await expect(makeScratchFolder(deep)).rejects.toMatchObject({ code: 'failed', hint: expect.any(String) })
})

test('scratch folders of killed processes go, of running ones stay', async () => {
  const parent = join(folder, 'tmp')
  const gone = spawnSync(process.execPath, ['--version']).pid
  const [machine] = ownerName().split('-')
  const elsewhere = '0'.repeat(16)
  const stay = [`${ownerName()}-abcdef`, `${elsewhere}-${gone}-5-young`, 'somebody-elses']
  const go = [`${machine}-${gone}-5-abcdef`, `${elsewhere}-${gone}-5-old`]
  for (const name of [...stay, ...go]) await privateFolder(join(parent, name))
  const dayBefore = new Date(Date.now() - 25 * 3_600_000)
  await utimes(join(parent, `${elsewhere}-${gone}-5-old`), dayBefore, dayBefore)
  const own = await makeScratchFolder(parent)
  expect((await readdir(parent)).toSorted()).toEqual([basename(own.path), ...stay].toSorted())
  await own.remove()
  expect((await readdir(parent)).toSorted()).toEqual(stay.toSorted())
})
