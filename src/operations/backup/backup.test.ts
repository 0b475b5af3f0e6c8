import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentOf, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemClock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { NodeMeta } from '../../model/node.ts'
import { labelsOf, userTags } from '../../model/recovery-point.ts'
import { createRepository, type Repository } from '../../repository/index.ts'
import type { Capture, CaptureEntry, CaptureRequest, Source } from '../../sources/source.ts'
import { loadKeptConfiguration, loadManifest, SnapshotTree } from '../browse/snapshot-tree.ts'
import { type BackupRequest, backup } from './backup.ts'

const host = { hostname: 'h', username: 'u', uid: 1000, gid: 1000 }
const meta: NodeMeta = { type: 'file', mode: 0o644, mtimeNs: 5n, uid: 1, gid: 1 }

/** Nothing is restored here. */
const notHere = () => Promise.reject(new Error('not here'))
const nowhere = {
  survey: notHere,
  putBack: notHere,
  dropKept: notHere,
  writtenSince: notHere,
  remove: notHere,
  settle: notHere,
}

/** A source whose files are given; remembers what it was asked and which files were really read. */
class ScriptedSource implements Source {
  readonly name = 'app'
  readonly kind = 'scripted'
  readonly traits = {
    consistency: 'transactional',
    types: ['full', 'incremental', 'differential'],
    wayBack: 'snapshot',
    targetSchemes: [],
    parts: ['paths'],
    changes: ['create'],
    rewrites: 'always',
    masks: false,
    queries: 'none',
  } as const
  readonly targets = nowhere
  /** Text by path; `LOST` vanishes when it is opened. */
  files: Record<string, string> = {}
  unchanged = false
  complete = true
  findings: Finding[] = []
  failAfter: string | undefined
  requests: CaptureRequest[] = []
  opened: string[] = []
  closed = 0

  probe = () => Promise.resolve([])
  restore = notHere
  close = () => Promise.resolve()

  capture(request: CaptureRequest): Promise<Capture> {
    this.requests.push(request)
    return Promise.resolve({
      entries: () => this.#entries(),
      finish: () =>
        Promise.resolve({
          capturedAt: new Date(this.requests.length * 1000),
          findings: this.findings,
          complete: this.complete,
        }),
      close: () => {
        this.closed += 1
        return this.failAfter === undefined ? Promise.resolve() : Promise.reject(new Error('close failed too'))
      },
    })
  }

  async *#entries(): AsyncGenerator<CaptureEntry> {
    yield { path: 'd', meta: { ...meta, type: 'dir' } }
    for (const [path, text] of Object.entries(this.files)) {
      yield { path, meta, unchanged: this.unchanged, open: () => this.#open(path, text) }
      if (this.failAfter === path) throw new AppError('source-unreachable', 'the server went away')
    }
  }

  #open(path: string, text: string) {
    this.opened.push(path)
    if (text === 'LOST') throw new AppError('entry-lost', `${path} vanished`)
    return Promise.resolve({ ...contentOf(Buffer.from(text), { kind: 'content' }), close: () => Promise.resolve() })
  }
}

describe('backup', () => {
  let storage: MemoryStorage
  let repository: Repository
  let source: ScriptedSource

  beforeEach(async () => {
    storage = new MemoryStorage()
    repository = await createRepository(storage, engineOptions(new SteppedClock()))
    source = new ScriptedSource()
    source.files = { 'd/a': 'one', 'd/b': 'two' }
  })
  afterEach(() => repository.close())

  const request = (type: BackupType, more: Partial<BackupRequest> = {}): BackupRequest => ({
    source,
    repository,
    type,
    runId: 'r1',
    tags: ['release'],
    host,
    programVersion: 'lifeboat test',
    excludePaths: ['/backups'],
    signal: new AbortController().signal,
    clock: new SteppedClock(),
    logger: silentLogger,
    scratchDir: '/nowhere',
    ...more,
  })

  it('tells findings that the snapshot before has apart from news, errors never', async () => {
    const of = (severity: Finding['severity'], message: string): Finding => {
      return { severity, code: 'x', subject: 'app', message }
    }
    source.findings = [of('warning', 'old library 3.40'), of('error', 'broken')]
    expect((await backup(request('full'))).knownFindings).toEqual([])
    const again = await backup(request('incremental'))
    expect(again.findings).toHaveLength(2)
    expect(again.knownFindings).toEqual([of('warning', 'old library 3.40')])
    source.findings = [of('warning', 'old library 3.41')]
    expect((await backup(request('incremental'))).knownFindings).toEqual([])
  })

  it('begins with no snapshot that a wrong clock put into the future', async () => {
    const first = await backup(request('full'))
    // It is of a second after 1970: an hour before that it is of the future.
    const before = { ...systemClock, now: () => new Date(-3_600_000) }
    const result = await backup(request('incremental', { clock: before }))
    expect([result.parent, result.type]).toEqual([undefined, 'full'])
    source.requests = []
    expect((await backup(request('incremental'))).parent).not.toBeUndefined()
    expect(first.parent).toBeUndefined()
  })

  const paths = async (id: string): Promise<string[]> => {
    const snapshot = await repository.getSnapshot(id)
    const tree = new SnapshotTree(repository, snapshot.tree)
    const found: string[] = []
    const root = await tree.findNode('')
    if (root !== undefined) for await (const { path } of tree.walk(root)) found.push(path)
    return found
  }

  /** Breaks the one pack without which the blob can't be read. */
  const damagePackOf = async (type: 'data' | 'tree', id: string): Promise<void> => {
    for await (const { key } of storage.list('data/')) {
      const bytes = await storage.load(key)
      await storage.save(
        key,
        bytes.map(byte => byte ^ 1),
      )
      if (
        await repository.loadBlob(type, id).then(
          () => false,
          () => true,
        )
      )
        return
      await storage.save(key, bytes)
    }
    throw new Error('no pack has it')
  }

  it('stores the tree under the source and the manifest beside it', async () => {
    const result = await backup(request('full'))
    expect(await paths(result.snapshot.id)).toEqual([
      '.lifeboat',
      '.lifeboat/manifest.json',
      'app',
      'app/d',
      'app/d/a',
      'app/d/b',
    ])
    expect(await loadManifest(repository, result.snapshot)).toMatchObject({
      source: 'app',
      type: 'full',
      totals: { files: 2, sizeBytes: 6 },
      files: [
        { path: 'd/a', sizeBytes: 3, sha256: '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed' },
        { path: 'd/b', sizeBytes: 3 },
      ],
    })
    expect(result).toMatchObject({ files: 2, sizeBytes: 6, bytesRead: 6, parent: undefined, complete: true })
    expect(result.snapshot).toMatchObject({ paths: ['/app'], hostname: 'h', tags: expect.arrayContaining(['release']) })
    expect(source.requests[0]?.excludePaths).toEqual(['/backups'])
  })

  it('keeps the configuration beside the manifest, once for all snapshots that have the same', async () => {
    const keep = async (configuration: string) => {
      const { snapshot } = await backup(request('full', { configuration }))
      expect(await paths(snapshot.id)).toContain('.lifeboat/lifeboat.yaml')
      expect(await loadKeptConfiguration(repository, snapshot)).toBe(configuration)
      const node = await new SnapshotTree(repository, snapshot.tree).findNode('.lifeboat/lifeboat.yaml')
      return node?.content
    }
    const first = await keep('sources: {}\n')
    expect(await keep('sources: {}\n')).toEqual(first)
    expect(await keep('policies: {}\n')).not.toEqual(first)
    const without = await backup(request('full'))
    expect(await loadKeptConfiguration(repository, without.snapshot)).toBeUndefined()
  })

  it('makes the first incremental a full one, and says so everywhere', async () => {
    const result = await backup(request('incremental'))
    expect(source.requests[0]?.type).toBe('full')
    expect(result.type).toBe('full')
    expect(labelsOf(result.snapshot.tags).type).toBe('full')
  })

  it('takes content that the source calls unchanged from the parent, without reading it', async () => {
    const first = await backup(request('full'))
    source.unchanged = true
    source.opened = []
    const second = await backup(request('incremental'))
    expect(source.opened).toEqual([])
    expect(second).toMatchObject({ type: 'incremental', parent: first.snapshot.id, bytesRead: 0, sizeBytes: 6 })
    expect((await loadManifest(repository, second.snapshot))?.files[0]?.sha256).toMatch(/^7692c3/)
    expect((await repository.check({ readData: 1, signal: new AbortController().signal })).findings).toEqual([])
  })

  it('is relative to the last full one when differential', async () => {
    const full = await backup(request('full'))
    await backup(request('incremental'))
    const differential = await backup(request('differential'))
    expect(differential.parent).toBe(full.snapshot.id)
  })

  it.each([
    ['manifest', 'data'],
    ['trees', 'tree'],
  ] as const)('goes through when the %s of the parent are damaged, and stores them anew', async (_what, type) => {
    const { snapshot } = await backup(request('full'))
    const root = [...(await repository.loadTree(snapshot.tree))]
    const [manifest] = await repository.loadTree(root.find(node => node.name === '.lifeboat')?.subtree ?? '')
    await damagePackOf(type, type === 'tree' ? snapshot.tree : (manifest?.content?.[0] ?? ''))

    const result = await backup(request('incremental'))
    expect(result).toMatchObject({ type: 'full', complete: true, findings: [{ code: 'parent-damaged' }] })
    expect(await paths(result.snapshot.id)).toContain('app/d/b')
    expect(await loadManifest(repository, result.snapshot)).toMatchObject({ findings: [{ code: 'parent-damaged' }] })
    expect(await backup(request('incremental'))).toMatchObject({ type: 'incremental', findings: [] })
    const { findings } = await repository.check({ readData: 1, signal: new AbortController().signal })
    // Its own manifest or root is lost; nothing later relies on what is damaged.
    expect(findings.flatMap(finding => finding.affects ?? [])).toEqual([snapshot.id])
  })

  it('takes no parent of another host', async () => {
    await backup(request('full'))
    const elsewhere = await backup(request('incremental', { host: { ...host, hostname: 'other' } }))
    expect(elsewhere.parent).toBeUndefined()
  })

  it('tells no total before the walk is over, but how many files there were last time', async () => {
    const seen: Array<number | undefined> = []
    const before: Array<number | undefined> = []
    const onProgress: BackupRequest['onProgress'] = ({ totalBytes, filesBefore }) => {
      seen.push(totalBytes)
      before.push(filesBefore)
    }
    await backup(request('full'))
    await backup(request('incremental', { onProgress }))
    expect(seen[0]).toBeUndefined()
    expect(seen.at(-1)).toBeGreaterThan(0)
    expect(new Set(before)).toEqual(new Set([2]))
  })

  it('leaves a lost entry out and says that the snapshot is incomplete', async () => {
    source.files = { 'd/a': 'one', 'd/b': 'LOST' }
    source.complete = false
    const finding = (severity: Finding['severity'], subject: string): Finding => {
      return { severity, code: 'file-unreadable', subject, message: 'permission denied' }
    }
    source.findings = [finding('info', 'x'), finding('warning', 'y'), finding('error', 'd/b')]
    const result = await backup(request('full'))
    expect(await paths(result.snapshot.id)).not.toContain('app/d/b')
    const incomplete = { count: 1, entries: [{ path: 'd/b', reason: 'permission denied', absent: false }] }
    expect(result).toMatchObject({ files: 1, complete: false, incomplete })
    // The manifest has it by name; the tags, which lists read, by number, and no person's tag is taken for it.
    expect((await loadManifest(repository, result.snapshot))?.incomplete).toEqual(incomplete)
    expect([labelsOf(result.snapshot.tags).incomplete, userTags(result.snapshot.tags)]).toEqual([1, ['release']])
  })

  it('leaves no snapshot and no lock when the source fails in the middle', async () => {
    source.failAfter = 'd/a'
    await expect(backup(request('full'))).rejects.toMatchObject({ code: 'source-unreachable' })
    expect((await repository.listSnapshots()).snapshots).toEqual([])
    expect(await repository.listLocks()).toEqual([])
    expect(source.closed).toBe(1)
  })

  it('stops when told to', async () => {
    const stop = new AbortController()
    stop.abort()
    await expect(backup(request('full', { signal: stop.signal }))).rejects.toMatchObject({ code: 'interrupted' })
    expect((await repository.listSnapshots()).snapshots).toEqual([])
  })

  it('refuses a type that the source does not have', async () => {
    await expect(backup(request('schema'))).rejects.toMatchObject({ code: 'unsupported' })
  })
})
