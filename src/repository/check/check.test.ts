import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { fileNode, folderNode, SmallRepository } from '../../../test/helpers/small-repository.ts'
import type { Finding } from '../../model/finding.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { check } from './check.ts'

let storage: FaultyStorage
let repository: SmallRepository
/** Two snapshots: `old` reaches `shared` and `early`, `recent` reaches `shared` and `late`. */
let made: {
  readonly old: string
  readonly recent: string
  readonly shared: IndexedPack
  readonly early: IndexedPack
  readonly late: IndexedPack
  readonly trees: IndexedPack
}

const signal = new AbortController().signal

beforeEach(async () => {
  storage = new FaultyStorage(new MemoryStorage())
  repository = new SmallRepository(storage)
  await repository.addSmallFiles()
  const shared = addFile('shared')
  const sharedPack = await repository.savePack()
  const early = addFile('early')
  const earlyPack = await repository.savePack()
  const late = addFile('late')
  const latePack = await repository.savePack()
  const folder = repository.addTree([shared])
  const oldTree = repository.addTree([early, folderNode('folder', folder)])
  const recentTree = repository.addTree([late, folderNode('folder', folder)])
  const trees = await repository.savePack()
  await repository.saveIndex([sharedPack, earlyPack])
  await repository.saveIndex([latePack, trees])
  const old = await repository.saveSnapshot(oldTree, new Date(1000))
  const recent = await repository.saveSnapshot(recentTree, new Date(2000))
  made = { old, recent, shared: sharedPack, early: earlyPack, late: latePack, trees }
})

function addFile(name: string): ReturnType<typeof fileNode> {
  const blobs = [randomBytes(3000), Buffer.alloc(4000, name.padEnd(8, '_'))]
  return fileNode(
    name,
    blobs.map(blob => repository.addBlob('data', blob)),
    7000,
  )
}

const run = (readData = 1): Promise<readonly Finding[]> =>
  check(repository.context, { readData, signal }).then(report => report.findings)

const packKey = (pack: IndexedPack): string => `data/${pack.id.slice(0, 2)}/${pack.id}`
const firstOf = async (prefix: string): Promise<string> => {
  for await (const key of storage.listKeys(prefix)) return key
  throw new Error(`nothing in ${prefix}`)
}
const shortOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1).slice(0, 8)

test('a sound repository has no findings, at every depth', async () => {
  for (const readData of [0, 0.5, 1]) {
    const report = await check(repository.context, { readData, signal })
    expect(report.findings).toEqual([])
    expect(report).toMatchObject({ snapshots: 2, packs: 4, blobs: 9 })
    // A part is of the bytes, not of the packs.
    expect(report.bytesRead).toBeGreaterThanOrEqual(readData * report.coverage.totalBytes)
    if (readData !== 0.5) expect(report.packsRead).toBe(readData * 4)
  }
  const steps: string[] = []
  await check(repository.context, {
    readData: 1,
    signal,
    onProgress: ({ step, done, total }) => steps.push(`${step} ${done === total || total === undefined}`),
  })
  expect(steps.at(-1)).toBe('trees true')
  expect(steps.filter(step => step === 'packs true')).toHaveLength(1)
})

describe.each([0, 1])('a pack, data read: %d', readData => {
  test.each([
    ['shared' as const, ['old', 'recent']],
    ['early' as const, ['old']],
    ['trees' as const, ['old', 'recent']],
  ])('%s missing, cut, or another in its place', async (which, hurt) => {
    const pack = made[which]
    const ids = hurt.map(name => (name === 'old' ? made.old : made.recent))
    const bytes = await storage.load(packKey(pack))
    const expectFinding = async (code: RegExp): Promise<void> => {
      const found = (await run(readData)).filter(finding => finding.severity === 'error')
      expect(found).toEqual([
        expect.objectContaining({
          code: expect.stringMatching(code),
          subject: `pack ${pack.id.slice(0, 8)}`,
          affects: ids,
        }),
      ])
    }
    await storage.remove(packKey(pack))
    await expectFinding(/pack-missing/)
    await storage.save(packKey(pack), bytes.subarray(0, bytes.length - 10))
    await expectFinding(/pack-truncated/)
    await storage.save(packKey(pack), await storage.load(packKey(made.late)))
    await expectFinding(/pack-(truncated|swapped)/)
    await storage.save(packKey(pack), bytes)
    expect(await run(readData)).toEqual([])
  })

  test('two packs of the same size exchanged', async () => {
    const [a, b] = [await storage.load(packKey(made.early)), await storage.load(packKey(made.late))]
    expect(a.length - b.length).toBe(0)
    await storage.save(packKey(made.early), b)
    await storage.save(packKey(made.late), a)
    const found = await run(readData)
    expect(found.map(finding => finding.code)).toEqual(['pack-swapped', 'pack-swapped'])
    expect(new Set(found.flatMap(finding => finding.affects ?? []))).toEqual(new Set([made.old, made.recent]))
  })
})

test('one flipped bit in a blob hurts only who uses the blob', async () => {
  storage.faults = { flipBit: { key: new RegExp(made.late.id), bit: 100 * 8 } }
  expect(await run(1)).toEqual([
    expect.objectContaining({
      code: 'pack-damaged',
      message: '1 of 2 blobs in the pack is damaged',
      affects: [made.recent],
    }),
  ])
})

test('a copy elsewhere saves the blobs of a lost pack', async () => {
  const bytes = await storage.load(packKey(made.late))
  for (const blob of made.late.blobs) {
    const sealed = bytes.subarray(blob.offset, blob.offset + blob.length)
    const opened = repository.context.cipher.open(sealed) ?? Buffer.alloc(0)
    const plaintext =
      blob.uncompressedLength === undefined
        ? opened
        : Buffer.from(repository.context.zstd.decompress(opened, blob.uncompressedLength) ?? opened)
    repository.addBlob('data', plaintext)
  }
  await repository.saveIndex([await repository.savePack()])
  await storage.remove(packKey(made.late))
  expect(await run()).toEqual([
    expect.objectContaining({ code: 'pack-missing', affects: [] }),
    expect.objectContaining({ severity: 'info', code: 'blobs-duplicate', affects: [] }),
  ])
})

test('every small file damaged is named, with whom it hurts', async () => {
  const cases = [
    ['config', 'config-damaged', 'config', 'all'],
    ['keys/', 'key-damaged', 'key', 'all'],
    ['locks/', 'lock-damaged', 'lock', []],
    ['snapshots/', 'snapshot-damaged', 'snapshot', 'itself'],
  ] as const
  for (const [prefix, code, subject, affects] of cases) {
    const key = prefix === 'config' ? 'config' : await firstOf(prefix)
    const bytes = await storage.load(key)
    const wrongs = [bytes.subarray(0, bytes.length / 2), Buffer.alloc(0), randomBytes(bytes.length)]
    for (const wrong of wrongs) {
      await storage.save(key, wrong)
      const all = [made.old, made.recent]
      const hurt = affects === 'itself' ? [key.slice(key.indexOf('/') + 1)] : affects === 'all' ? all : affects
      expect(await run(0)).toEqual([
        expect.objectContaining({
          code,
          subject: prefix === 'config' ? subject : `${subject} ${shortOf(key)}`,
          affects: expect.toSatisfy(
            (ids: string[]) => ids.length === hurt.length && hurt.every(id => ids.includes(id)),
          ),
        }),
      ])
    }
    await storage.save(key, bytes)
  }
  await storage.remove('config')
  expect(await run(0)).toEqual([expect.objectContaining({ code: 'config-missing' })])
})

test('two snapshots exchanged are both named', async () => {
  const [a, b] = [`snapshots/${made.old}`, `snapshots/${made.recent}`]
  const [first, second] = [await storage.load(a), await storage.load(b)]
  await storage.save(a, second)
  await storage.save(b, first)
  const found = await run(0)
  expect(new Set(found.flatMap(finding => finding.affects ?? []))).toEqual(new Set([made.old, made.recent]))
})

test('a damaged index is named, and hurts those whose blobs only it knew', async () => {
  const key = await firstOf('index/')
  await storage.save(key, randomBytes(500))
  const found = await run(0)
  expect(found.find(finding => finding.code === 'index-damaged')).toMatchObject({
    subject: `index ${shortOf(key)}`,
    affects: [made.old, made.recent],
  })
})

test('a missing index is told by the packs that nobody names', async () => {
  await storage.remove(await firstOf('index/'))
  const found = (await run(0)).filter(finding => finding.severity === 'error')
  expect(found.map(finding => [finding.code, finding.subject, finding.affects])).toEqual(
    expect.arrayContaining([
      ['pack-not-indexed', `pack ${made.shared.id.slice(0, 8)}`, [made.old, made.recent]],
      ['pack-not-indexed', `pack ${made.early.id.slice(0, 8)}`, [made.old]],
    ]),
  )
})

test('packs that nobody needs and foreign files are information', async () => {
  addFile('orphan')
  const orphan = await repository.savePack()
  await storage.save('index/readme.txt', Buffer.from('x'))
  expect(await run()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        severity: 'info',
        code: 'pack-unreferenced',
        subject: `pack ${orphan.id.slice(0, 8)}`,
      }),
      expect.objectContaining({ severity: 'info', code: 'file-unknown', subject: 'index/readme.txt' }),
    ]),
  )
})

test('a tree that is no tree is named, with its snapshot', async () => {
  const tree = repository.addBlob('tree', Buffer.from('{"nodes":"none"}'))
  await repository.saveIndex([await repository.savePack()])
  const snapshot = await repository.saveSnapshot(tree)
  expect(await run()).toEqual([
    expect.objectContaining({ code: 'tree-damaged', subject: `tree ${tree.slice(0, 8)}`, affects: [snapshot] }),
  ])
})

test('a failing storage is an error, not damage', async () => {
  storage.faults = { failCall: storage.calls.length + 9 }
  await expect(run()).rejects.toMatchObject({ code: 'storage-failed' })
  await expect(check(repository.context, { readData: 1, signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'interrupted',
  })
})

test('one flipped bit, anywhere in any file, is found, and no sound file is blamed', async () => {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) keys.push(key)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...keys), fc.nat(1_000_000), async (key, bit) => {
      storage.faults = { flipBit: { key: new RegExp(`^${key}$`), bit } }
      const found = await run(1)
      storage.faults = {}
      const named = found.filter(finding => finding.subject.endsWith(key === 'config' ? key : shortOf(key)))
      expect(named.length).toBeGreaterThan(0)
      const blamed = found.filter(
        finding => !named.includes(finding) && /^(pack|snapshot|key)-damaged/.test(finding.code),
      )
      expect(blamed).toEqual([])
    }),
    { numRuns: 120 },
  )
})
