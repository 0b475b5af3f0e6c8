import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAppError } from '../../src/base/errors.ts'
import { BACKUP_TYPES, type BackupType } from '../../src/model/manifest.ts'
import { swapAccessOf } from '../../src/operations/restore/swapping.ts'
import type { Capture, RestoreOutcome, Source } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { failFolderSyncs, watchFolderSyncs } from '../helpers/folder-sync.ts'

/** One real thing to protect, made anew for each test in a folder of its own. */
export interface SourceFixture {
  readonly source: Source
  /** Changes the live thing; each step changes something else. Needs no running capture to end. */
  mutate(step: number): Promise<void>
  /** What the live thing holds, as a person would compare it. */
  digest(): Promise<string>
  /** The same of what a restore left at `target`. */
  digestRestored(target: string): Promise<string>
  /** A target path (below `dir`) that does not exist yet. */
  target(name: string): string
  /** Releases what `make` opened; files below `dir` are removed by the contract. */
  close(): Promise<void>
}

export interface SourceContract {
  readonly kind: string
  make(dir: string): Promise<SourceFixture>
  /** A source of something that isn't there. */
  makeMissing(dir: string): Promise<Source>
}

/** Types that carry everything; each of their snapshots restores on its own. */
const WHOLE_TYPES: readonly BackupType[] = ['full', 'incremental', 'differential']

/** What every source promises, whatever it protects. */
export function describeSourceContract(contract: SourceContract): void {
  describe(`source contract: ${contract.kind}`, () => {
    let dir = ''
    let fixture: SourceFixture

    beforeEach(async () => {
      dir = await makeTempDir(`lifeboat-${contract.kind}-`)
      fixture = await contract.make(dir)
    })

    afterEach(async () => {
      await fixture.source.close()
      await fixture.close()
      await removeDir(dir)
    })

    const startCapture = async (): Promise<Capture> =>
      await fixture.source.capture({ ...(await makeContext(dir)), type: 'full', parent: undefined, excludePaths: [] })

    const restore = async (
      snapshot: DrainedSnapshot,
      target: string,
      options: { force?: boolean; delta?: boolean; checks?: boolean; keepAs?: string; signal?: AbortSignal } = {},
    ): Promise<RestoreOutcome> =>
      await fixture.source.restore({
        ...(await makeContext(dir, options.signal)),
        snapshot: snapshot.reader,
        target,
        force: options.force ?? false,
        delta: options.delta ?? false,
        checks: options.checks ?? true,
        keepAs: options.keepAs,
        include: [],
      })

    describe('itself', () => {
      it('says what it is', () => {
        expect(fixture.source.kind).toBe(contract.kind)
        expect(fixture.source.name).not.toBe('')
        const types = fixture.source.traits.types
        expect(types).toContain('full')
        expect(new Set(types).size).toBe(types.length)
        for (const type of types) expect(BACKUP_TYPES).toContain(type)
      })

      it('swaps where it says so, and has nothing to do with it elsewhere', () => {
        const { traits, targets } = fixture.source
        expect(traits.changes).toContain('create')
        const has = ['putBack', 'dropKept'].map(each => each in targets)
        expect(has).toEqual(Array(2).fill(traits.changes.includes('swap')))
        // What is half swapped is nobody's to guess.
        if (traits.changes.includes('swap')) expect('settle' in targets).toBe(true)
        if (traits.wayBack === 'kept') expect(traits.changes).toContain('swap')
        expect(traits.changes.includes('rows')).toBe(traits.parts.includes('tables'))
      })

      it('finds nothing wrong with a sound source, and does not change it', async () => {
        const before = await fixture.digest()
        const findings = await fixture.source.probe(await makeContext(dir))
        expect(findings.filter(f => f.severity === 'error')).toEqual([])
        expect(await fixture.digest()).toBe(before)
      })

      it('reports a missing source as a finding, and refuses to capture it', async () => {
        const missing = await contract.makeMissing(dir)
        const findings = await missing.probe(await makeContext(dir))
        expect(findings.some(f => f.severity === 'error')).toBe(true)
        const error = await drain(missing, dir).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect(isAppError(error) && error.code).toBe('source-unreachable')
        expect(isAppError(error) && error.hint).toBeTruthy()
        await missing.close()
      })
    })

    describe('capture', () => {
      it('gives entries in order: unique, relative, directories before and around what is in them', async () => {
        const snapshot = await drain(fixture.source, dir)
        const open: string[] = []
        const seen = new Set<string>()
        expect(snapshot.entries.length).toBeGreaterThan(0)
        for (const { path, node } of snapshot.entries) {
          expect([path, seen.has(path)]).toEqual([path, false])
          seen.add(path)
          if (path === '') continue
          expect(path.split('/').every(part => part !== '' && part !== '.' && part !== '..')).toBe(true)
          const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
          while (open.length > 0 && open.at(-1) !== parent) open.pop()
          expect([path, open.at(-1) ?? '']).toEqual([path, parent])
          if (node.type === 'dir') open.push(path)
        }
      })

      it('cuts at a legal place and tells the size it delivers', async () => {
        const capture = await startCapture()
        try {
          for await (const entry of capture.entries()) {
            if (!entry.open) continue
            const content = await entry.open()
            const blockBytes = content.cut.kind === 'fixed' ? content.cut.blockBytes : 512
            expect(Math.log2(blockBytes) % 1).toBe(0)
            expect(blockBytes).toBeGreaterThanOrEqual(512)
            expect(blockBytes).toBeLessThanOrEqual(8 << 20)
            let total = 0
            const buffer = Buffer.alloc(100_000)
            for (let count = buffer.length; count === buffer.length; total += count) count = await content.read(buffer)
            expect(total).toBe(content.sizeBytes ?? total)
            expect(await content.read(buffer)).toBe(0)
            await content.close()
          }
        } finally {
          await capture.close()
        }
      })

      it('delivers the same bytes whatever the size of the buffer', async () => {
        const [small, large] = await Promise.all(
          [1013, 4 << 20].map(bufferBytes => drain(fixture.source, dir, { bufferBytes })),
        )
        const hashes = small?.entries.map(entry => [entry.path, entry.node.content])
        expect(hashes).toEqual(large?.entries.map(entry => [entry.path, entry.node.content]))
      })

      it('tells when it was, and leaves the source as it is', async () => {
        const before = await fixture.digest()
        const from = Date.now()
        const { summary } = await drain(fixture.source, dir)
        expect(summary.capturedAt.getTime()).toBeGreaterThanOrEqual(from - 1)
        expect(summary.capturedAt.getTime()).toBeLessThanOrEqual(Date.now() + 1)
        expect(summary.findings.filter(f => f.severity === 'error')).toEqual([])
        expect(summary.complete).toBe(true)
        expect(await fixture.digest()).toBe(before)
      })

      it('closes twice, unread, half read and read', async () => {
        for (const steps of [0, 1, Number.POSITIVE_INFINITY]) {
          const capture = await startCapture()
          let seen = 0
          if (steps > 0) for await (const _ of capture.entries()) if (++seen >= steps) break
          await capture.close()
          await expect(capture.close()).resolves.toBeUndefined()
        }
      })

      it('stops when told to', async () => {
        const abort = new AbortController()
        abort.abort()
        const error = await drain(fixture.source, dir, { signal: abort.signal }).catch((reason: unknown) => reason)
        expect(isAppError(error, 'interrupted')).toBe(true)
      })

      it('runs several times at once', async () => {
        const before = await fixture.digest()
        const all = await Promise.all([1, 2, 3].map(() => drain(fixture.source, dir)))
        for (const [i, snapshot] of all.entries()) {
          const target = fixture.target(`parallel-${i}`)
          await restore(snapshot, target)
          expect(await fixture.digestRestored(target)).toBe(before)
        }
      })

      it('is of the instant at which it began where it promises so, however late it is read', async ctx => {
        ctx.skip(fixture.source.traits.consistency !== 'transactional')
        const before = await fixture.digest()
        const snapshots: DrainedSnapshot[] = []
        // Two begin, then the live thing changes, then both are read, one after the other.
        const first = await drain(fixture.source, dir, {
          onStarted: async () => {
            snapshots.push(await drain(fixture.source, dir, { onStarted: () => fixture.mutate(1) }))
          },
        })
        expect(await fixture.digest()).not.toBe(before)
        for (const [at, snapshot] of [first, ...snapshots].entries()) {
          const target = fixture.target(`instant-${at}`)
          await restore(snapshot, target)
          expect(await fixture.digestRestored(target)).toBe(before)
        }
      })
    })

    describe('types', () => {
      for (const type of WHOLE_TYPES) {
        it(`${type}: each snapshot restores on its own`, async ctx => {
          ctx.skip(!fixture.source.traits.types.includes(type))
          let parent: DrainedSnapshot | undefined
          for (let step = 0; step < 3; step++) {
            if (step > 0) await fixture.mutate(step)
            const live = await fixture.digest()
            parent = await drain(fixture.source, dir, { type, ...(parent ? { parent } : {}) })
            const target = fixture.target(`${type}-${step}`)
            await restore(parent, target)
            expect(await fixture.digestRestored(target)).toBe(live)
          }
        })
      }

      it('says "unchanged" only of what is', async ctx => {
        ctx.skip(!fixture.source.traits.types.includes('incremental'))
        const first = await drain(fixture.source, dir)
        for (let step = 0; step < 3; step++) {
          if (step > 0) await fixture.mutate(step)
          const again = await drain(fixture.source, dir, { type: 'incremental', parent: first, readUnchanged: true })
          for (const entry of again.entries.filter(e => e.unchanged)) {
            const known = first.entries.find(e => e.path === entry.path)
            expect([entry.path, entry.node.content]).toEqual([entry.path, known?.node.content])
          }
        }
      })

      it('"full" declares nothing unchanged', async () => {
        const first = await drain(fixture.source, dir)
        const again = await drain(fixture.source, dir, { type: 'full', parent: first, readUnchanged: true })
        expect(again.entries.filter(e => e.unchanged)).toEqual([])
      })

      it('refuses types it does not know', async ctx => {
        const unknown = BACKUP_TYPES.find(type => !fixture.source.traits.types.includes(type))
        ctx.skip(unknown === undefined)
        const error = await drain(fixture.source, dir, { type: unknown ?? 'full' }).catch((reason: unknown) => reason)
        expect(isAppError(error, 'unsupported')).toBe(true)
      })
    })

    describe('restore', () => {
      it('says what it did', async () => {
        const snapshot = await drain(fixture.source, dir)
        const target = fixture.target('outcome')
        const outcome = await restore(snapshot, target)
        const files = snapshot.entries.filter(e => e.file)
        expect(outcome.files).toBe(files.length)
        expect(outcome.totalBytes).toBe(files.reduce((sum, e) => sum + (e.node.sizeBytes ?? 0), 0))
        expect(outcome.checks.filter(c => !c.passed)).toEqual([])
        expect(outcome.findings.filter(f => f.severity === 'error')).toEqual([])
      })

      it('leaves an existing target alone without force', async () => {
        const snapshot = await drain(fixture.source, dir)
        const target = fixture.target('existing')
        await restore(snapshot, target)
        const there = await fixture.digestRestored(target)
        await fixture.mutate(1)
        const later = await drain(fixture.source, dir)
        const error = await restore(later, target).catch((reason: unknown) => reason)
        expect(isAppError(error, 'target-exists')).toBe(true)
        expect(await fixture.digestRestored(target)).toBe(there)
      })

      for (const delta of [true, false]) {
        it(`replaces an existing target with force, ${delta ? 'by what differs' : 'whole'}`, async () => {
          const old = await drain(fixture.source, dir)
          const target = fixture.target('replaced')
          await restore(old, target)
          await fixture.mutate(1)
          const live = await fixture.digest()
          const later = await drain(fixture.source, dir)
          const outcome = await restore(later, target, { force: true, delta })
          expect(await fixture.digestRestored(target)).toBe(live)
          expect(outcome.writtenBytes).toBeLessThanOrEqual(outcome.totalBytes)
          await restore(old, target, { force: true, delta })
          expect(await fixture.digestRestored(target)).not.toBe(live)
        })
      }

      it('goes on after it was interrupted', async () => {
        const snapshot = await drain(fixture.source, dir)
        const target = fixture.target('interrupted')
        const abort = new AbortController()
        abort.abort()
        const error = await restore(snapshot, target, { signal: abort.signal }).catch((reason: unknown) => reason)
        expect(isAppError(error, 'interrupted')).toBe(true)
        await restore(snapshot, target, { force: existsSync(target), delta: true })
        expect(await fixture.digestRestored(target)).toBe(await fixture.digest())
      })

      for (const code of ['EINVAL', 'ENOTSUP']) {
        it(`works on a file system that cannot sync folders (${code})`, async context => {
          context.skip(!fixture.source.traits.changes.includes('swap'), 'it makes nothing beside')
          const old = await drain(fixture.source, dir)
          const then = await fixture.digest()
          await fixture.mutate(1)
          const later = await drain(fixture.source, dir)
          const target = fixture.target('unsyncable')
          const refused = await failFolderSyncs(code)
          await restore(old, target)
          await restore(later, target, { force: true, keepAs: 'before-1' })
          expect(await fixture.digestRestored(target)).toBe(await fixture.digest())
          await swapAccessOf(fixture.source).putBack({ ...(await makeContext(dir)), target, keptAs: 'before-1' })
          expect(await fixture.digestRestored(target)).toBe(then)
          await restore(later, target, { force: true, delta: true })
          expect(await fixture.digestRestored(target)).toBe(await fixture.digest())
          expect(refused()).toBeGreaterThan(2)
        })
      }

      it('makes the name of its target durable, and those of the folders above it', async context => {
        context.skip(process.platform !== 'linux', 'what is synced is seen on Linux alone')
        context.skip(!fixture.source.traits.changes.includes('swap'), 'it makes nothing beside')
        const snapshot = await drain(fixture.source, dir)
        const above = join(dirname(fixture.target('durable')), 'made', 'for-it')
        const target = join(above, basename(fixture.target('durable')))
        const synced: Array<{ folder: string; exists: boolean }> = []
        await watchFolderSyncs(folder => void synced.push({ folder, exists: existsSync(target) }))
        await restore(snapshot, target)
        expect(synced.map(({ folder }) => folder)).toContain(dirname(dirname(above)))
        expect(synced.map(({ folder }) => folder)).toContain(dirname(above))
        expect(synced).toContainEqual({ folder: above, exists: true })
        synced.length = 0
        await restore(snapshot, target, { force: true, keepAs: 'before-1' })
        expect(synced.findLast(({ folder }) => folder === above)?.exists).toBe(true)
      })

      it('fails when a disk cannot write a folder to itself', async context => {
        context.skip(!fixture.source.traits.changes.includes('swap'), 'it makes nothing beside')
        const snapshot = await drain(fixture.source, dir)
        await failFolderSyncs('EIO')
        const error = await restore(snapshot, fixture.target('broken-disk')).catch((reason: unknown) => reason)
        expect(isAppError(error, 'target-invalid')).toBe(true)
      })

      it('fails on a target that cannot be made, without a trace', async () => {
        const snapshot = await drain(fixture.source, dir)
        const blocker = snapshot.entries.find(e => e.file)?.file ?? ''
        const target = join(blocker, 'below-a-file')
        const error = await restore(snapshot, target).catch((reason: unknown) => reason)
        expect(isAppError(error, 'target-invalid')).toBe(true)
      })
    })
  })
}
