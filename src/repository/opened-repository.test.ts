import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { backUp, copyStorage, engineOptions, SteppedClock } from '../../test/helpers/engine.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { FileToWrite, Repository, Snapshot } from './index.ts'
import { createRepository, openRepository } from './index.ts'

const signal = new AbortController().signal
const bytes = Buffer.alloc(50_000, 'what is stored, ')

/** As on a read-only disk, once `readOnly` is set, or on a full one. */
class ReadOnlyStorage extends MemoryStorage {
  readOnly = false
  full = false

  override async save(...parameters: Parameters<MemoryStorage['save']>): Promise<void> {
    if (this.readOnly) throw new AppError('storage-denied', 'this disk is read-only')
    if (this.full) throw new AppError('storage-full', 'this disk is full')
    return super.save(...parameters)
  }
}

let folder: string
let clock: SteppedClock
let storage: ReadOnlyStorage
let findings: Finding[]
let repository: Repository
let snapshot: Snapshot

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-opened-'))
  clock = new SteppedClock()
  storage = new ReadOnlyStorage()
  findings = []
  repository = await createRepository(storage, engineOptions(clock, findings))
  snapshot = await backUp(repository, { file: bytes })
})

afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

async function filesOf(from: Snapshot): Promise<FileToWrite[]> {
  const [root] = await repository.loadTree(from.tree)
  const nodes = [...(await repository.loadTree(root?.subtree ?? ''))]
  return nodes.map(node => ({
    path: join(folder, node.name),
    content: node.content ?? [],
    sizeBytes: node.sizeBytes ?? 0,
    delta: true,
  }))
}

test('while another process prunes, restore and check wait or say so; afterwards no lock stays', async () => {
  const files = await filesOf(snapshot)
  // An exclusive lock of a living process, as a prune holds it.
  const held = await copyStorage(storage)
  const locker = await openRepository(held, engineOptions(clock))
  const original = held.remove.bind(held)
  const lockKey = Promise.withResolvers<string>()
  held.remove = async key => {
    if (key.startsWith('locks/')) {
      lockKey.resolve(key)
      await storage.save(key, await held.load(key))
    }
    return original(key)
  }
  await locker.removeSnapshots([])
  const outcomes = [repository.restoreFiles(files, { signal }), repository.check({ readData: 1, signal })]
  for (const outcome of outcomes) await expect(outcome).rejects.toMatchObject({ code: 'repository-locked' })
  await storage.remove(await lockKey.promise)
  await repository.restoreFiles(files, { signal })
  expect(bytes.equals(await readFile(join(folder, 'file')))).toBe(true)
  expect((await repository.check({ readData: 1, signal })).findings).toEqual([])
  expect(await repository.listLocks()).toEqual([])
  await locker.close()
})

test.each([
  ['readOnly', 'storage-denied'],
  ['full', 'storage-full'],
] as const)('what cannot be written to (%s) can still be restored and checked, with a warning', async (state, code) => {
  const files = await filesOf(snapshot)
  storage[state] = true
  await repository.restoreFiles(files, { signal })
  expect(bytes.equals(await readFile(join(folder, 'file')))).toBe(true)
  expect((await repository.check({ readData: 1, signal })).findings).toEqual([])
  expect(findings.map(finding => finding.code)).toEqual(['not-locked', 'not-locked'])
  await expect(repository.prune({ dryRun: false, signal })).rejects.toMatchObject({ code })
})

test('a snapshot that another process made since is found, and so is what another one pruned', async () => {
  await filesOf(snapshot)
  const other = await openRepository(storage, engineOptions(clock))
  const later = await backUp(other, { file: Buffer.concat([bytes, bytes]) })
  await other.removeSnapshots([snapshot.id])
  await other.prune({ dryRun: false, signal, maxUnused: 0 })
  await other.close()
  await repository.restoreFiles(await filesOf(later), { signal })
  expect((await readFile(join(folder, 'file'))).length).toBe(100_000)
})

test('closing a repository closes its storage: connections would keep a finished command alive', async () => {
  let closed = 0
  storage.close = async () => void closed++
  await repository.close()
  expect(closed).toBe(1)
})
