import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backUp, copyStorage, engineOptions, readBack, SteppedClock, useCheapKey } from '../../test/helpers/engine.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { AppError } from '../base/errors.ts'
import type { Storage } from '../storage/storage.ts'
import { createRepository, openRepository, type Repository, type Snapshot } from './index.ts'

const FILES = { db: randomBytes(60_000), text: Buffer.alloc(30_000, 'some text, '), empty: Buffer.alloc(0) }
const signal = new AbortController().signal
const clock = new SteppedClock()

let base: Storage
let keys: string[]
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-damage-'))
  base = new MemoryStorage()
  const repository = await createRepository(base, engineOptions(clock))
  await backUp(repository, FILES)
  await backUp(repository, { ...FILES, later: randomBytes(20_000) })
  await repository.close()
  await useCheapKey(base)
  keys = []
  for await (const key of base.listKeys('')) keys.push(key)
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** What a storage can do to one file. */
const damages = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), bit: fc.nat(10_000_000) }),
  fc.record({ kind: fc.constant('cut' as const), part: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  fc.record({ kind: fc.constant('swap' as const), with: fc.nat(1000) }),
  fc.record({ kind: fc.constant('garbage' as const), length: fc.nat(5000) }),
  fc.record({ kind: fc.constant('remove' as const) }),
)

type DamageKind = typeof damages extends fc.Arbitrary<infer T> ? T : never

async function plant(storage: Storage, key: string, damage: DamageKind): Promise<void> {
  const bytes = await storage.load(key)
  if (damage.kind === 'remove') return storage.remove(key)
  if (damage.kind === 'garbage') return storage.save(key, randomBytes(damage.length))
  if (damage.kind === 'cut') return storage.save(key, bytes.subarray(0, Math.floor(bytes.length * damage.part)))
  if (damage.kind === 'flip') {
    const bit = damage.bit % (bytes.length * 8)
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return storage.save(key, bytes)
  }
  const other = keys[damage.with % keys.length] ?? key
  const otherBytes = await storage.load(other)
  await storage.save(other, bytes)
  await storage.save(key, otherBytes)
}

/** The error of something that may only fail on purpose; undefined when it went well. */
async function failure(work: () => Promise<unknown>): Promise<AppError | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

async function expectRightOrError(repository: Repository, snapshot: Snapshot): Promise<boolean> {
  const failedRead = await failure(async () => {
    const files = await readBack(repository, snapshot)
    for (const [name, bytes] of Object.entries(FILES)) expect(files[name]?.equals(bytes)).toBe(true)
  })
  const failedRestore = await failure(async () => {
    const [root] = await repository.loadTree(snapshot.tree)
    const nodes = [...(await repository.loadTree(root?.subtree ?? ''))]
    const files = nodes.map(node => ({
      path: join(folder, node.name),
      content: node.content ?? [],
      sizeBytes: node.sizeBytes ?? 0,
      delta: true,
    }))
    await repository.restoreFiles(files, { signal })
    for (const [name, bytes] of Object.entries(FILES)) {
      expect(bytes.equals(await readFile(join(folder, name)))).toBe(true)
    }
  })
  return failedRead === undefined && failedRestore === undefined
}

test('whatever happens to one file: right bytes or an error with a code, and check finds what was lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), damages, async (pick, damage) => {
      const storage = await copyStorage(base)
      await plant(storage, keys[pick % keys.length] ?? '', damage)
      let repository: Repository | undefined
      const refused = await failure(async () => {
        repository = await openRepository(storage, engineOptions(clock))
      })
      if (repository === undefined) {
        expect(['damaged', 'no-repository', 'wrong-password', 'repository-too-new']).toContain(refused?.code)
        return
      }
      const { snapshots, findings } = await repository.listSnapshots()
      const sound: Snapshot[] = []
      for (const snapshot of snapshots) if (await expectRightOrError(repository, snapshot)) sound.push(snapshot)
      const whole = findings.length === 0 && sound.length === 2
      const report = await repository.check({ readData: 1, signal })
      const errors = report.findings.filter(finding => finding.severity === 'error')
      // A snapshot file that is simply gone leaves no trace: restic's format has no list of them.
      if (!whole && snapshots.length === 2) expect(errors.length).toBeGreaterThan(0)
      if (errors.length === 0) expect(whole || snapshots.length < 2).toBe(true)
      await failure(async () => repository?.prune({ dryRun: false, signal }))
      for (const snapshot of sound) expect(await expectRightOrError(repository, snapshot)).toBe(true)
      await repository.close()
    }),
    { numRuns: 80 },
  )
})

test('every kind of file can be looked at', async () => {
  const repository = await openRepository(base, engineOptions(clock))
  expect(JSON.parse((await repository.loadFile('config', '')).toString())).toMatchObject({ version: 2 })
  for (const [type, prefix] of [
    ['key', 'keys/'],
    ['index', 'index/'],
    ['snapshot', 'snapshots/'],
  ] as const) {
    const id = keys.find(key => key.startsWith(prefix))?.slice(prefix.length) ?? ''
    expect(JSON.parse((await repository.loadFile(type, id)).toString())).toBeTypeOf('object')
  }
  const pack = keys.find(key => key.startsWith('data/')) ?? ''
  expect((await repository.loadFile('pack', pack.slice(-64))).equals(await base.load(pack))).toBe(true)
  await expect(repository.loadFile('snapshot', '0'.repeat(64))).rejects.toMatchObject({ code: 'storage-not-found' })
  const statistics = await repository.statistics()
  expect(statistics).toMatchObject({ snapshots: 2, packs: keys.filter(key => key.startsWith('data/')).length })
  await repository.close()
})
