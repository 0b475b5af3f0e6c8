import { compareNames } from '../../base/bytes.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Id, NodeType, TreeNode } from '../../model/node.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { BlobTotals } from '../browse/blob-totals.ts'
import { resolvePath } from '../browse/resolve-path.ts'
import { joinPath } from '../browse/snapshot-tree.ts'
import { BlobTally } from './blob-tally.ts'
import { type ChangeKind, compareNodes, isUnexplained } from './compare-nodes.ts'

export interface DiffRequest {
  readonly repository: Pick<Repository, 'loadTree' | 'findBlobSizes'>
  readonly before: Snapshot
  readonly after: Snapshot
  /** Only what is at and below this path, see `resolvePath`; '' is all. */
  readonly path: string
  /** Tell of changes of metadata alone, too. */
  readonly metadata: boolean
  readonly signal: AbortSignal
  /** Called for each change, in byte order, folders before what is in them. */
  readonly onChange: (change: Change) => void
}

export interface Change {
  readonly path: string
  readonly change: ChangeKind
  /** Of the later node, or the removed one. */
  readonly type: NodeType
  /** Of a file, before and after. */
  readonly sizeBefore?: number
  readonly sizeAfter?: number
  /** The content changed while size, times and inode did not: look for a failing disk. */
  readonly unexplained?: true
}

export interface DiffResult {
  readonly before: Id
  readonly after: Id
  readonly added: EntryCounts
  readonly removed: EntryCounts
  /** Files and symlinks whose content changed, and changes of type. */
  readonly changed: number
  /** Only the metadata; 0 where it was not asked for. */
  readonly metadataChanged: number
  /** What only the later snapshot holds. */
  readonly newBlobs: BlobTotals
  /** What only the earlier one held. */
  readonly goneBlobs: BlobTotals
}

export interface EntryCounts {
  files: number
  dirs: number
  others: number
  /** Sizes of the files. */
  bytes: number
}

/** Compares two snapshots. Equal subtrees are known by their id and not loaded. */
export async function diff(request: DiffRequest): Promise<DiffResult> {
  const comparison = new Comparison(request)
  return await comparison.run()
}

class Comparison {
  readonly #request: DiffRequest
  readonly #added: EntryCounts = { files: 0, dirs: 0, others: 0, bytes: 0 }
  readonly #removed: EntryCounts = { files: 0, dirs: 0, others: 0, bytes: 0 }
  readonly #blobs = new BlobTally()
  #changed = 0
  #metadataChanged = 0

  constructor(request: DiffRequest) {
    this.#request = request
  }

  async run(): Promise<DiffResult> {
    const { repository, before, after, path } = this.#request
    const [old, young] = await Promise.all([
      resolvePath(repository, before, path),
      resolvePath(repository, after, path),
    ])
    await this.#both(young.path, old.node, young.node)
    return {
      before: before.id,
      after: after.id,
      added: this.#added,
      removed: this.#removed,
      changed: this.#changed,
      metadataChanged: this.#metadataChanged,
      ...(await this.#blobs.totals(repository)),
    }
  }

  /** The same name in both. */
  async #both(path: string, before: TreeNode, after: TreeNode): Promise<void> {
    const kind = compareNodes(before, after)
    // The root is the same folder of the source, whatever it is called.
    const told = kind !== undefined && path !== '' && (kind !== 'metadata' || this.#request.metadata)
    if (told) this.#tell(path, kind, before, after)
    if (kind === 'content' || kind === 'type') {
      this.#blobs.old(before)
      this.#blobs.young(after)
    }
    if (before.type !== 'dir' && after.type !== 'dir') return
    if (before.subtree !== after.subtree) await this.#folders(path, before, after)
  }

  #tell(path: string, kind: ChangeKind, before: TreeNode, after: TreeNode): void {
    if (kind === 'metadata') this.#metadataChanged += 1
    else this.#changed += 1
    const unexplained = kind === 'content' && isUnexplained(before, after)
    this.#request.onChange({
      path,
      change: kind,
      type: after.type,
      ...(before.type === 'file' ? { sizeBefore: before.sizeBytes ?? 0 } : {}),
      ...(after.type === 'file' ? { sizeAfter: after.sizeBytes ?? 0 } : {}),
      ...(unexplained ? { unexplained } : {}),
    })
  }

  /** Walks two lists of names side by side. A tree that is not there is an empty one. */
  async #folders(folder: string, before: TreeNode, after: TreeNode): Promise<void> {
    throwIfAborted(this.#request.signal)
    this.#blobs.oldTree(before.subtree)
    this.#blobs.youngTree(after.subtree)
    const old = (await this.#load(before))[Symbol.iterator]()
    const young = (await this.#load(after))[Symbol.iterator]()
    let was = nextOf(old)
    let is = nextOf(young)
    while (was !== undefined || is !== undefined) {
      const order = was === undefined ? 1 : is === undefined ? -1 : compareNames(was.name, is.name)
      if (was !== undefined && is !== undefined && order === 0) await this.#both(joinPath(folder, is.name), was, is)
      else if (was !== undefined && order < 0) await this.#one('removed', joinPath(folder, was.name), was)
      else if (is !== undefined) await this.#one('added', joinPath(folder, is.name), is)
      if (order <= 0) was = nextOf(old)
      if (order >= 0) is = nextOf(young)
    }
  }

  /** A name that only one of the snapshots has, and all below it. */
  async #one(change: 'added' | 'removed', path: string, node: TreeNode): Promise<void> {
    throwIfAborted(this.#request.signal)
    const added = change === 'added'
    count(added ? this.#added : this.#removed, node)
    const size = node.type === 'file' ? { [added ? 'sizeAfter' : 'sizeBefore']: node.sizeBytes ?? 0 } : {}
    this.#request.onChange({ path, change, type: node.type, ...size })
    if (added) this.#blobs.young(node)
    else this.#blobs.old(node)
    if (node.subtree === undefined) return
    if (added) this.#blobs.youngTree(node.subtree)
    else this.#blobs.oldTree(node.subtree)
    for (const child of await this.#load(node)) await this.#one(change, joinPath(path, child.name), child)
  }

  async #load({ subtree }: TreeNode): Promise<Iterable<TreeNode>> {
    return subtree === undefined ? [] : await this.#request.repository.loadTree(subtree)
  }
}

function nextOf(nodes: Iterator<TreeNode>): TreeNode | undefined {
  const next = nodes.next()
  return next.done ? undefined : next.value
}

function count(counts: EntryCounts, node: TreeNode): void {
  if (node.type === 'file') counts.files += 1
  else if (node.type === 'dir') counts.dirs += 1
  else counts.others += 1
  counts.bytes += node.type === 'file' ? (node.sizeBytes ?? 0) : 0
}
