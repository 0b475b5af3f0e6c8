import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  backUp,
  copyStorage,
  engineOptions,
  readBack,
  SteppedClock,
  useCheapKey,
} from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { allBytes, biggestPack, change, flip, keysIn } from '../../../test/helpers/stored-bytes.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { Secret } from '../../base/secret.ts'
import type { Finding } from '../../model/finding.ts'
import type { Storage } from '../../storage/storage.ts'
import { createRepository, openRepository, type Repository, type Snapshot } from '../index.ts'
import { makeParityHere, withParity } from './parity-storage.ts'

const signal = new AbortController().signal
const clock = new SteppedClock()
const FILES = { db: randomBytes(160_000), text: Buffer.alloc(9000, 'some text ') }

let base: MemoryStorage
let storage: MemoryStorage
let snapshot: Snapshot
let findings: Finding[]

const open = (on: Storage = storage): Promise<Repository> =>
  openRepository(on, { ...engineOptions(clock, findings), parity: 0.1 })

beforeAll(async () => {
  findings = []
  base = new MemoryStorage()
  const repository = await createRepository(base, { ...engineOptions(clock), parity: 0.1 })
  snapshot = await backUp(repository, FILES)
  await repository.close()
  await useCheapKey(withParity(base, 0.1, makeParityHere))
})

beforeEach(async () => {
  findings = []
  storage = await copyStorage(base)
})

/** Of what is protected. */
const protectedKeys = async (): Promise<string[]> =>
  (await keysIn(storage, '')).filter(key => /^(config$|data|index|keys|snapshots)/.test(key))

async function repairAll(repository: Repository): Promise<void> {
  await repository.repairs.index({ dryRun: false, signal })
  await repository.repairs.packs([], { dryRun: false, signal })
  await repository.repairs.snapshots([], { dryRun: false, forget: false, signal })
}

test('everything that restic would read has its parity beside it, and nothing else has', async () => {
  const keys = await protectedKeys()
  expect(await keysIn(storage, 'parity/')).toEqual(keys.map(key => `parity/${key}`))
  expect(keys.length).toBeGreaterThanOrEqual(6)
})

test('without it nothing is written beside restic’s files', async () => {
  const bare = new MemoryStorage()
  const repository = await createRepository(bare, engineOptions(clock))
  await backUp(repository, FILES)
  await repository.close()
  expect(await keysIn(bare, 'parity/')).toEqual([])
})

describe('whatever is damaged in one file', () => {
  const damages: Array<[string, (bytes: Buffer) => Buffer]> = [
    ['a bit', bytes => flip(Math.floor(bytes.length / 3))(bytes)],
    ['a run of bytes', bytes => bytes.fill(0, bytes.length >> 1, (bytes.length >> 1) + Math.ceil(bytes.length * 0.05))],
    ['its end', bytes => bytes.subarray(0, Math.floor(bytes.length * 0.95))],
  ]
  test.each(damages)('%s: it is read all the same, and repaired to the last byte', async (_name, how) => {
    const before = await allBytes(storage)
    for (const key of await protectedKeys()) {
      await change(storage, key, how)
      const repository = await open()
      expect((await repository.repairs.index({ dryRun: true, signal })).damaged).toEqual([])
      if (!key.startsWith('index/')) expect(await readBack(repository, snapshot)).toEqual(FILES)
      await repository.check({ readData: 1, signal })
      await repairAll(repository)
      await repository.close()
      expect(await allBytes(storage)).toEqual(before)
    }
  })
})

test('a restore goes on with the pack as it was', async () => {
  await change(storage, await biggestPack(storage), flip(70_000))
  const repository = await open()
  const [root] = await repository.loadTree(snapshot.tree)
  const node = [...(await repository.loadTree(root?.subtree ?? ''))].find(({ name }) => name === 'db')
  const path = join(makeTempDir(), 'db')
  const { content = [], sizeBytes = 0 } = node ?? {}
  await repository.restoreFiles([{ path, content, sizeBytes, delta: false }], { signal })
  await repository.close()
  expect((await readFile(path)).equals(FILES.db)).toBe(true)
})

test('small packs, and everything but packs, come back when they are gone whole', async () => {
  const before = await allBytes(storage)
  const large = await biggestPack(storage)
  for (const key of await protectedKeys()) {
    if (key === large || key.startsWith('keys/') || key.startsWith('snapshots/')) continue
    await storage.remove(key)
    const repository = await open()
    await repairAll(repository)
    await repository.close()
    if (key.startsWith('index/')) expect((await keysIn(storage, 'index/')).length).toBe(1)
    else expect((await storage.load(key)).toString('base64')).toBe(before.get(key))
  }
})

test('what opens the repository is read by its parity, with a word about it', async () => {
  for (const key of ['config', ...(await keysIn(storage, 'keys/'))]) await change(storage, key, flip(20))
  await (await open()).close()
  expect(findings.map(({ code }) => code)).toContain('read-by-parity')
  const repository = await open()
  expect((await repository.repairs.index({ dryRun: false, signal })).healed).toHaveLength(2)
  await repository.close()
  findings = []
  await (await open()).close()
  expect(findings).toEqual([])
})

test('is removed with what it belongs to, and prune removes what other programs left of it', async () => {
  const repository = await open()
  const again = await backUp(repository, { ...FILES, more: randomBytes(50_000) })
  await repository.removeSnapshots([again.id])
  expect(await keysIn(storage, 'parity/snapshots/')).toEqual([`parity/snapshots/${snapshot.id}`])
  // As restic removes it.
  await storage.remove(`snapshots/${snapshot.id}`)
  await repository.prune({ dryRun: false, signal })
  await repository.close()
  expect(await keysIn(storage, 'parity/')).toEqual((await protectedKeys()).map(key => `parity/${key}`))
})

test('a password that is revoked leaves no parity of its key, also where this machine keeps none', async () => {
  const repository = await openRepository(storage, engineOptions(clock))
  const [key = ''] = await keysIn(storage, 'keys/')
  await repository.changePassword(new Secret('another'))
  await repository.close()
  expect(await keysIn(storage, 'parity/keys/')).not.toContain(`parity/${key}`)
})

test('a check of all data reads it too, and repair writes it anew, as after it was switched on', async () => {
  const before = await allBytes(storage)
  const [bad = '', gone = ''] = await keysIn(storage, 'parity/data/')
  await change(storage, bad, flip(200))
  await storage.remove(gone)
  await storage.save(`parity/snapshots/${'0'.repeat(64)}`, Buffer.of(1))
  const repository = await open()
  const codes = async (readData: number): Promise<string[]> =>
    (await repository.check({ readData, signal })).findings.map(({ code }) => code).toSorted()
  expect(await codes(0)).toEqual(['parity-missing', 'parity-orphaned'])
  expect(await codes(1)).toEqual(['parity-damaged', 'parity-missing', 'parity-orphaned'])
  const foreseen = await repository.repairs.parity({ dryRun: true, signal })
  expect(await repository.repairs.parity({ dryRun: false, signal })).toEqual(foreseen)
  expect(foreseen).toMatchObject({ missing: 1, damaged: 1, removed: 1, findings: [] })
  expect(await codes(1)).toEqual([])
  await repository.close()
  expect(await allBytes(storage)).toEqual(before)
})

test('parity is never made of a file that is damaged', async () => {
  await change(storage, await biggestPack(storage), flip(70_000))
  const parity = `parity/${await biggestPack(storage)}`
  await change(storage, parity, flip(500))
  const before = await storage.load(parity)
  const repository = await open()
  expect((await repository.repairs.parity({ dryRun: false, signal })).findings).toMatchObject([
    { code: 'file-damaged' },
  ])
  expect((await storage.load(parity)).equals(before)).toBe(true)
  await repository.close()
})

test('where none is configured, there is nothing to write', async () => {
  const repository = await openRepository(storage, engineOptions(clock))
  await expect(repository.repairs.parity({ dryRun: false, signal })).rejects.toMatchObject({ code: 'usage' })
  await repository.close()
})

test('a pack is stored before its parity, and both before the index', async () => {
  const faulty = new FaultyStorage(storage)
  const repository = await open(faulty)
  await backUp(repository, { new: randomBytes(30_000) })
  await repository.close()
  const saved = faulty.calls.filter(({ method }) => method === 'save').map(({ key }) => key)
  const at = (pattern: RegExp): number => saved.findIndex(key => pattern.test(key))
  expect(at(/^data/)).toBeLessThan(at(/^parity\/data/))
  expect(saved.findLastIndex(key => key.startsWith('parity/data'))).toBeLessThan(at(/^index/))
  expect(at(/^index/)).toBeLessThan(at(/^snapshots/))
})

test('a storage that takes only restic’s files is refused, with the way out', async () => {
  const only = new MemoryStorage('rest:', undefined, { keys: 'restic' })
  await expect(createRepository(only, { ...engineOptions(clock), parity: 0.05 })).rejects.toMatchObject({
    code: 'unsupported',
    hint: expect.stringContaining('parity'),
  })
  expect(await keysIn(only, '')).toEqual([])
})
