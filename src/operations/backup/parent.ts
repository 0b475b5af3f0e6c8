import type { Clock } from '../../base/clock.ts'
import { isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Host } from '../../model/host.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { TreeNode } from '../../model/node.ts'
import { isOfFuture, labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot, Writing } from '../../repository/index.ts'
import type { ParentSnapshot, Source } from '../../sources/source.ts'
import { getSourceRoot, loadManifest, SnapshotTree, sourceFolder } from '../browse/snapshot-tree.ts'

export interface ParentQuery {
  readonly source: Source
  readonly repository: Repository
  /** What is damaged in the parent is stored anew by it. */
  readonly writing: Pick<Writing, 'distrust'>
  readonly type: BackupType
  readonly host: Host
  readonly clock: Clock
}

/** Which earlier types a backup may be relative to; the others read everything anew. */
const RELATIVE_TO: Partial<Record<BackupType, readonly BackupType[]>> = {
  incremental: ['full', 'incremental', 'differential'],
  differential: ['full'],
}

export type FindNode = (path: string) => Promise<TreeNode | undefined>

export function isRelative(type: BackupType): boolean {
  return RELATIVE_TO[type] !== undefined
}

export interface FoundParent {
  readonly parent: ParentSnapshot | undefined
  /** A node of the parent by its path from the snapshot's root, the manifest's too. */
  readonly findAnywhere?: FindNode
  /** Damage of the parent. Grows while `findNode` is used. */
  readonly findings: readonly Finding[]
}

/**
 * The newest snapshot of this source on this host that a backup of this type is relative to. Undefined when there is
 * none or it can't be read: then everything is read anew, which is always right, only slower. A backup must go through
 * also when the last one was damaged since; the more so as only a backup mends it.
 */
export async function findParent(query: ParentQuery): Promise<FoundParent> {
  const types = RELATIVE_TO[query.type]
  if (types === undefined || !query.source.traits.types.includes(query.type)) {
    return { parent: undefined, findings: [] }
  }
  const { snapshots } = await query.repository.listSnapshots()
  const newest = snapshots.findLast(snapshot => fits(snapshot, query, types))
  if (newest === undefined) return { parent: undefined, findings: [] }
  const lookup = new ParentLookup(query, newest)
  const parent = await lookup.open()
  const { findings } = lookup
  return parent === undefined ? { parent, findings } : { parent, findings, findAnywhere: path => lookup.find(path) }
}

function fits(snapshot: Snapshot, query: ParentQuery, types: readonly BackupType[]): boolean {
  const { source, kind, type } = labelsOf(snapshot.tags)
  return (
    source === query.source.name &&
    kind === query.source.kind &&
    type !== undefined &&
    types.includes(type) &&
    snapshot.hostname === query.host.hostname &&
    // Taken by a wrong clock, it would be the parent of every backup until that day has come.
    !isOfFuture(snapshot.time, query.clock.now())
  )
}

/** A parent in which what is damaged counts as not there. */
class ParentLookup {
  readonly findings: Finding[] = []
  readonly #query: ParentQuery
  readonly #snapshot: Snapshot
  readonly #tree: SnapshotTree
  /** Not tried again for each of their files. */
  readonly #lostFolders = new Set<string>()

  constructor(query: ParentQuery, snapshot: Snapshot) {
    this.#query = query
    this.#snapshot = snapshot
    this.#tree = new SnapshotTree(query.repository, snapshot.tree)
  }

  async open(): Promise<ParentSnapshot | undefined> {
    const manifest = await this.#unlessDamaged(() => loadManifest(this.#query.repository, this.#snapshot))
    if (manifest === undefined) return undefined
    const root = await this.#unlessDamaged(() => getSourceRoot(this.#tree, this.#snapshot))
    if (root === undefined) return undefined
    return {
      id: this.#snapshot.id,
      manifest,
      findNode: path => this.#findNode(path),
      read: node => this.#query.repository.readContent(node.content ?? []),
    }
  }

  #findNode(path: string): Promise<TreeNode | undefined> {
    const source = sourceFolder(this.#snapshot)
    return this.find(path === '' ? source : `${source}/${path}`)
  }

  /** @param whole from the snapshot's root on */
  async find(whole: string): Promise<TreeNode | undefined> {
    const folder = whole.slice(0, Math.max(0, whole.lastIndexOf('/')))
    if (this.#lostFolders.has(folder)) return undefined
    return this.#unlessDamaged(
      () => this.#tree.findNode(whole),
      () => this.#lostFolders.add(folder),
    )
  }

  async #unlessDamaged<T>(read: () => Promise<T>, onDamage?: () => void): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      // In a copy of a repository it may lie with the data, in an archive.
      if (isAppError(error, 'storage-archived')) return undefined
      if (!isAppError(error, 'damaged')) throw error
      onDamage?.()
      const { type, blob } = error.context
      if ((type === 'tree' || type === 'data') && typeof blob === 'string') this.#query.writing.distrust(type, blob)
      if (this.findings.length === 0) this.findings.push(damagedParent(this.#snapshot, error.message))
      return undefined
    }
  }
}

function damagedParent({ id }: Snapshot, why: string): Finding {
  return {
    severity: 'warning',
    code: 'parent-damaged',
    subject: `snapshot ${id.slice(0, 8)}`,
    message: `the snapshot before this one is damaged, so more was read anew: ${why}`,
    hint: 'Run "lifeboat check --read-data" to see what else is damaged.',
    affects: [id],
  }
}
