import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { StandingClock } from '../../../test/helpers/standing-clock.ts'
import { bandwidthOf } from '../../base/bandwidth.ts'
import { unfinishedName } from '../unfinished-name.ts'
import { LocalStorage } from './local-storage.ts'
import { rootOf } from './root.ts'
import { removeUnfinished } from './unfinished.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-local-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

testStorageContract('local', {
  open: async () => new LocalStorage(join(folder, 'repo')),
  reopen: async storage => new LocalStorage(storage.location),
})

testStorageContract('faulty without faults over local', {
  open: async () => new FaultyStorage(new LocalStorage(join(folder, 'repo'))),
  reopen: async storage => new LocalStorage(storage.location),
})

test('looking does not create anything; files are 0600 in folders of 0700', async () => {
  const storage = new LocalStorage(join(folder, 'a/b'))
  await storage.find('config')
  expect(await readdir(folder)).toEqual([])
  await storage.save('data/3f/3f2a', Buffer.from('x'))
  for (const path of ['a', 'a/b', 'a/b/data', 'a/b/data/3f', 'a/b/tmp']) {
    expect((await stat(join(folder, path))).mode & 0o777).toBe(0o700)
  }
  expect((await stat(join(folder, 'a/b/data/3f/3f2a'))).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder, 'a/b/tmp'))).toEqual([])
})

test('what saves at once make in a folder that a group shares is shared', async () => {
  await chmod(folder, 0o2770)
  const shared = new Set<string>()
  for (let round = 0; round < 20; round++) {
    const storage = new LocalStorage(join(folder, `repo-${round}`))
    const keys = Array.from({ length: 8 }, (_, prefix) => `data/7${prefix}/7${prefix}${'0'.repeat(62)}`)
    await Promise.all(keys.map(key => storage.save(key, Buffer.from('x'))))
    for (const key of keys) shared.add(await modes(storage.location, 'data', key.slice(0, 7), key))
  }
  expect([...shared]).toEqual(['2770 2770 660'])
})

async function modes(root: string, ...keys: string[]): Promise<string> {
  const found = await Promise.all(keys.map(key => stat(join(root, key))))
  return found.map(({ mode }) => (mode & 0o7777).toString(8)).join(' ')
}

test('paths are relative to the base folder, file URLs are absolute', async () => {
  expect(rootOf('./backups', folder)).toBe(join(folder, 'backups'))
  expect(rootOf('/backups', folder)).toBe('/backups')
  expect(rootOf(pathToFileURL('/with space').href, folder)).toBe('/with space')
  expect(() => rootOf('file://host/x', folder)).toThrow(expect.objectContaining({ code: 'usage' }))
})

test('leftovers of dead processes go with the next save, those of living ones stay until they are old', async () => {
  const repo = join(folder, 'repo')
  await mkdir(join(repo, 'tmp'), { recursive: true })
  const place = async (name: string): Promise<void> => writeFile(join(repo, 'tmp', name), 'half')
  const dead = unfinishedName().replace(`-${process.pid}-`, `-${deadProcessId()}-`)
  const living = unfinishedName()
  const elsewhere = `0123456789abcdef-1-5-0123456789abcdef`
  for (const name of [dead, living, elsewhere, 'notes-of-a-person.txt']) await place(name)
  const storage = new LocalStorage(repo)
  expect(await keysOf(storage)).toEqual([])
  await storage.save('config', Buffer.from('x'))
  expect((await readdir(join(repo, 'tmp'))).sort()).toEqual([living, elsewhere, 'notes-of-a-person.txt'].sort())

  const old = new Date(Date.now() - 25 * 3600 * 1000)
  await utimes(join(repo, 'tmp', elsewhere), old, old)
  await removeUnfinished(join(repo, 'tmp'))
  expect((await readdir(join(repo, 'tmp'))).sort()).toEqual([living, 'notes-of-a-person.txt'].sort())
})

test('follows a data folder that was put elsewhere on the same disk', async () => {
  const storage = new LocalStorage(join(folder, 'repo'))
  await mkdir(join(folder, 'other'))
  await mkdir(join(folder, 'repo'))
  await symlink(join(folder, 'other'), join(folder, 'repo/data'))
  await storage.save('data/3f/3f2a', Buffer.from('x'))
  expect(await keysOf(storage)).toEqual(['data/3f/3f2a'])
  expect(await readdir(join(folder, 'other/3f'))).toEqual(['3f2a'])
})

test('writes whole objects into a data folder that was put on another file system', async context => {
  const apart = await otherFileSystem()
  if (apart === undefined) {
    context.skip('needs a second file system to write to')
    return
  }
  try {
    await mkdir(join(folder, 'repo'))
    await symlink(apart, join(folder, 'repo/data'))
    await writeFile(join(apart, unfinishedName('.').replace(`-${process.pid}-`, `-${deadProcessId()}-`)), 'half')
    const storage = new LocalStorage(join(folder, 'repo'))
    await storage.save('config', Buffer.from('x'))
    await storage.save('data/3f/3f2a', Buffer.from('one'))
    await storage.save('data/3f/3f2b', Buffer.from('two'), { ifAbsent: true })
    await expect(storage.save('data/3f/3f2b', Buffer.from('three'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'storage-exists',
    })
    expect(await keysOf(storage)).toEqual(['config', 'data/3f/3f2a', 'data/3f/3f2b'])
    expect((await storage.load('data/3f/3f2b')).toString()).toBe('two')
    expect(await readdir(apart)).toEqual(['3f'])
    expect(await readdir(join(folder, 'repo/tmp'))).toEqual([])
  } finally {
    await rm(apart, { recursive: true, force: true })
  }
})

/** A new folder on another file system than the one of `folder`, where this machine has one. */
async function otherFileSystem(): Promise<string | undefined> {
  const { dev } = await stat(folder)
  for (const parent of ['/dev/shm', '/var/tmp', homedir()]) {
    const other = await stat(parent).catch(() => undefined)
    if (other && other.dev !== dev) return mkdtemp(join(parent, 'lifeboat-apart-'))
  }
  return undefined
}

test('nothing is written to the empty place of a disk that was taken away', async () => {
  const [root, away] = [join(folder, 'repo'), join(folder, 'away')]
  const storage = new LocalStorage(root)
  await storage.save('wal/1/a', Buffer.from('x'))
  for (const leave of ['nothing', 'an empty mount point']) {
    await rename(root, away)
    if (leave !== 'nothing') await mkdir(root)
    for (const key of ['wal/1/b', 'wal/2/b', 'wal/1/b']) {
      await expect(storage.save(key, Buffer.from('x'))).rejects.toMatchObject({
        code: expect.stringMatching(/^storage-(not-found|failed)$/) as string,
      })
    }
    if (leave !== 'nothing') expect(await readdir(root)).toEqual([])
    await rm(root, { recursive: true, force: true })
    await rename(away, root)
    await storage.save('wal/1/b', Buffer.from('x'))
  }
  expect((await readdir(join(root, 'wal'))).toSorted()).toEqual(['1'])
})

test('a file in the place of a folder is a clear error', async () => {
  await writeFile(join(folder, 'file'), 'x')
  const storage = new LocalStorage(join(folder, 'file'))
  await expect(storage.save('config', Buffer.from('x'))).rejects.toMatchObject({ code: 'storage-failed' })
  await expect(storage.find('config')).rejects.toMatchObject({
    code: 'storage-failed',
    message: `cannot look for config in ${join(folder, 'file')}: not a directory`,
  })
})

test.skipIf(process.getuid?.() === 0)('a folder without rights is storage-denied', async () => {
  const storage = new LocalStorage(join(folder, 'closed/repo'))
  await mkdir(join(folder, 'closed'), { mode: 0o500 })
  await expect(storage.save('config', Buffer.from('x'))).rejects.toMatchObject({ code: 'storage-denied' })
  await chmod(join(folder, 'closed'), 0o700)
})

test('a full disk is storage-full, leaves no part, and writing goes on when there is space', async context => {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]).status === 0
  if (!mounted) context.skip('needs the right to mount a tmpfs')
  try {
    const storage = new LocalStorage(join(folder, 'repo'))
    await storage.save('config', Buffer.from('x'))
    await expect(storage.save('data/3f/3f2a', Buffer.alloc(1 << 20))).rejects.toMatchObject({ code: 'storage-full' })
    expect(await keysOf(storage)).toEqual(['config'])
    expect(await readdir(join(folder, 'repo/tmp'))).toEqual([])
    await storage.save('data/3f/3f2a', Buffer.alloc(1 << 16))
    expect(await keysOf(storage)).toEqual(['config', 'data/3f/3f2a'])
  } finally {
    spawnSync('umount', [folder])
  }
})

test('free space is that of the nearest folder that exists', async () => {
  expect(await new LocalStorage(join(folder, 'not/yet')).freeBytes()).toBeGreaterThan(0)
})

async function keysOf(storage: LocalStorage): Promise<string[]> {
  const keys: string[] = []
  for await (const object of storage.list('')) keys.push(object.key)
  return keys.sort()
}

function deadProcessId(): number {
  return spawnSync(process.execPath, ['--version']).pid
}

test('a folder behind a line is written and read at no more than the rate', async () => {
  const clock = new StandingClock()
  const storage = new LocalStorage(join(folder, 'repo'), bandwidthOf([{ up: 16 * 1024, down: 32 * 1024 }], clock))
  const content = randomBytes(20_000)
  await inTime(clock, storage.save('config', [content.subarray(0, 7), content.subarray(7)]))
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(1100)
  const before = clock.monotonicMs()
  const loaded = await inTime(clock, storage.load('config'))
  expect(loaded.equals(content)).toBe(true)
  expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(500)
})

/** The disk takes real time: the clock goes on as soon as somebody waits for it. */
async function inTime<T>(clock: StandingClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const ended = work.finally(() => {
    isDone = true
  })
  for (; !isDone; await wait(1)) await clock.advance(20)
  return await ended
}
