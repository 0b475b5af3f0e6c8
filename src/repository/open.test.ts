import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { backUp, engineOptions, readBack, SteppedClock } from '../../test/helpers/engine.ts'
import { FaultyStorage } from '../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { systemRandom } from '../base/random.ts'
import { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { Storage } from '../storage/storage.ts'
import { Cipher } from './crypto/cipher.ts'
import { openKeyFile } from './crypto/password.ts'
import { createRepository, openRepository } from './index.ts'
import { listKeyIds, loadKeyFile } from './key/key-ring.ts'

const options = (password = 'one', findings: Finding[] = []) => ({
  ...engineOptions(new SteppedClock(), findings),
  password: new Secret(password),
})
const open = (storage: Storage, password = 'one', findings: Finding[] = []) =>
  openRepository(storage, options(password, findings))

async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys(prefix)) keys.push(key)
  return keys.sort()
}

test('opens with the password it was made with, and no other', async () => {
  const storage = new MemoryStorage()
  const made = await createRepository(storage, options())
  expect((await open(storage)).id).toBe(made.id)
  expect(made.version).toBe(2)
  await expect(open(storage, 'two')).rejects.toMatchObject({
    code: 'wrong-password',
    exitCode: 12,
    message: `the password opens none of the keys of ${storage.location}`,
  })
  await expect(open(new MemoryStorage())).rejects.toMatchObject({ code: 'no-repository', exitCode: 10 })
})

test('an existing repository is never overwritten, also by who comes at the same moment', async () => {
  const storage = new MemoryStorage()
  const both = await Promise.allSettled([createRepository(storage, options()), createRepository(storage, options())])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  await expect(createRepository(storage, options())).rejects.toMatchObject({ code: 'repository-exists' })
  await open(storage)
  expect(await keysOf(storage, 'keys/')).toHaveLength(1)
})

test('an init that was killed anywhere is repeated as if it had not been', async () => {
  for (let changes = 0; changes < 3; changes++) {
    const storage = new FaultyStorage(new MemoryStorage(), { stopAfterChanges: changes })
    await createRepository(storage, options('killed')).catch(() => {})
    const again = new FaultyStorage(storage.inner)
    const made = await createRepository(again, options()).catch((error: unknown) => error)
    if (changes < 2) expect(made).not.toBeInstanceOf(Error)
    else expect(made).toMatchObject({ code: 'repository-exists' })
    await open(again, changes < 2 ? 'one' : 'killed')
    expect(await keysOf(again, 'keys/')).toHaveLength(1)
  }
})

test('a repository that lost its config is not built over', async () => {
  const storage = new MemoryStorage()
  await backUp(await createRepository(storage, options()), { a: Buffer.from('a') })
  await storage.remove('config')
  await expect(createRepository(storage, options())).rejects.toMatchObject({ code: 'damaged' })
})

test.each([
  ['cut', (bytes: Buffer) => bytes.subarray(0, 20)],
  ['empty', () => Buffer.alloc(0)],
  ['one bit flipped', (bytes: Buffer) => flip(bytes)],
])('a config that is %s is damage, not a wrong password', async (_how, damage) => {
  const storage = new MemoryStorage()
  await createRepository(storage, options())
  await storage.save('config', damage(await storage.load('config')))
  await expect(open(storage)).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('config') })
})

function flip(bytes: Buffer): Buffer {
  const flipped = Buffer.from(bytes)
  flipped[30] = (flipped[30] ?? 0) ^ 1
  return flipped
}

test('a config of a newer version says so', async () => {
  const storage = new MemoryStorage()
  await createRepository(storage, options())
  const [id = ''] = await listKeyIds(storage)
  const keys = await openKeyFile(await loadKeyFile(storage, id), new Secret('one'), 'key')
  if (!keys) throw new Error('the key must open')
  const config = { version: 3, id: 'ab'.repeat(32), chunker_polynomial: '1' }
  await storage.save('config', new Cipher(keys, systemRandom).seal(Buffer.from(JSON.stringify(config))))
  await expect(open(storage)).rejects.toMatchObject({ code: 'repository-too-new' })
})

test('a damaged key file is named, and another key still opens', async () => {
  const storage = new MemoryStorage()
  const repository = await createRepository(storage, options())
  const [first] = await repository.listKeys()
  await repository.addKey(new Secret('two'), { hostname: 'h', username: 'u' })
  const key = `keys/${first?.id}`
  await storage.save(key, flip(await storage.load(key)))
  const findings: Finding[] = []
  const opened = await open(storage, 'two', findings)
  await opened.listKeys()
  expect(findings).toContainEqual(
    expect.objectContaining({ code: 'key-damaged', subject: `key ${first?.id.slice(0, 8)}` }),
  )
  await expect(open(storage, 'one')).rejects.toMatchObject({ code: 'wrong-password' })
  await storage.remove(`keys/${(await opened.listKeys())[0]?.id}`)
  await expect(open(storage, 'two')).rejects.toMatchObject({ code: 'damaged' })
})

test('several passwords; the last key and the one in use stay', async () => {
  const storage = new MemoryStorage()
  const repository = await createRepository(storage, options())
  const [first] = await repository.listKeys()
  expect(first?.current).toBe(true)
  await expect(repository.removeKey(first?.id ?? '')).rejects.toMatchObject({ code: 'last-key' })
  const second = await repository.addKey(new Secret('two'), { hostname: 'h', username: 'u' })
  expect(second).toMatchObject({ hostname: 'h', username: 'u', current: false })
  await expect(repository.removeKey(first?.id ?? '')).rejects.toMatchObject({ code: 'usage' })
  await expect(repository.removeKey('ffff')).rejects.toMatchObject({ code: 'not-found' })
  await (await open(storage, 'two')).removeKey(first?.id.slice(0, 12) ?? '')
  await expect(open(storage, 'one')).rejects.toMatchObject({ code: 'wrong-password' })
})

test('a changed password replaces the old one; killed in between, either or both open', async () => {
  for (let changes = 0; changes < 4; changes++) {
    const inner = new MemoryStorage()
    await createRepository(inner, options())
    const repository = await open(new FaultyStorage(inner, { stopAfterChanges: changes }))
    const changed = await repository.changePassword(new Secret('two')).catch((error: unknown) => error)
    const opens = await Promise.allSettled([open(inner, 'one'), open(inner, 'two')])
    expect(opens.map(({ status }) => status === 'fulfilled')).toEqual(
      [
        [true, false],
        [true, true],
        // The parity of the old key goes first.
        [true, true],
        [false, true],
      ][changes],
    )
    if (changes === 3) expect(changed).toMatchObject({ key: { current: true } })
  }
})

test('snapshots are listed from the cache: new ones are added, vanished ones dropped, damaged ones named', async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'lifeboat-cache-'))
  const storage = new FaultyStorage(new MemoryStorage())
  const repository = await createRepository(storage, { ...options(), cacheDir })
  const times = [3, 1, 2].map(hour => new Date(Date.UTC(2026, 0, 1, hour)))
  for (const time of times) await backUp(repository, { a: Buffer.from('a') }, undefined, { time })
  const { snapshots } = await repository.listSnapshots()
  expect(snapshots.map(({ time }) => time.getUTCHours())).toEqual([1, 2, 3])
  storage.calls.length = 0
  const other = await openRepository(storage, { ...options(), cacheDir })
  expect((await other.listSnapshots()).snapshots).toEqual(snapshots)
  expect(storage.calls.filter(({ key }) => key.startsWith('snapshots/') && key.length > 10)).toEqual([])
  await other.removeSnapshots([snapshots[0]?.id ?? ''])
  await storage.save(`snapshots/${'c'.repeat(64)}`, Buffer.from('cut'))
  const list = await repository.listSnapshots()
  expect(list.snapshots).toEqual(snapshots.slice(1))
  expect(list.findings).toMatchObject([{ code: 'snapshot-damaged', subject: 'snapshot cccccccc' }])
  const [kept] = list.snapshots
  expect(await repository.getSnapshot(kept?.id.slice(0, 8) ?? '')).toEqual(kept)
  await expect(repository.getSnapshot('0000')).rejects.toMatchObject({ code: 'snapshot-not-found' })
  await expect(repository.getSnapshot('cccc')).rejects.toMatchObject({ code: 'damaged' })
  if (kept) expect(await readBack(repository, kept)).toEqual({ a: Buffer.from('a') })
  await rm(cacheDir, { recursive: true })
})
