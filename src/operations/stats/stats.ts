import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, RepositoryStatistics, Snapshot } from '../../repository/index.ts'
import { addTotals, type BlobTotals, sizesOf } from '../browse/blob-totals.ts'
import { loadUnlessDamaged, unlessDamaged } from '../browse/damaged-tree.ts'
import { resolvePath } from '../browse/resolve-path.ts'
import { joinPath } from '../browse/snapshot-tree.ts'

export interface StatsRequest {
  readonly repository: Pick<Repository, 'loadTree' | 'findBlobSizes' | 'statistics'>
  readonly snapshots: readonly Snapshot[]
  readonly signal: AbortSignal
}

export interface StatsResult {
  /** What restoring each of them would write; in the order asked for. */
  readonly snapshots: readonly SnapshotSize[]
  /** Over all of them: files and bytes of every snapshot added up. */
  readonly files: number
  readonly restoreBytes: number
  /** What they hold together, each blob counted once: contents, and trees. */
  readonly data: BlobTotals
  readonly trees: BlobTotals
  /** `restoreBytes` to the contents' plain bytes: how often, on average, a byte is used. 1 where there is nothing. */
  readonly deduplication: number
  /** Plain to stored bytes, of contents and trees. 1 where there is nothing. */
  readonly compression: number
  /** Folders that are damaged, and so not counted. */
  readonly findings: readonly Finding[]
  /** The whole repository, with what no snapshot uses any more. */
  readonly repository: RepositoryStatistics
}

export interface SnapshotSize {
  readonly id: Id
  readonly files: number
  readonly dirs: number
  /** Sum of the sizes of all files; each of a set of hard links counts. */
  readonly restoreBytes: number
  /** How many things of the source it lacks; 0: none. */
  readonly incomplete: number
}

/** What snapshots take to restore and what they take in the repository. Each tree is loaded once. */
export async function stats(request: StatsRequest): Promise<StatsResult> {
  const counter = new Counter(request)
  const snapshots: SnapshotSize[] = []
  for (const snapshot of request.snapshots) {
    // All of it for the blobs; a restore writes the source's folder, not the manifest beside it.
    await counter.sizeOf(snapshot, snapshot.tree)
    const root = await unlessDamaged(counter, snapshot, '', () => resolvePath(request.repository, snapshot, ''))
    const tree = root?.node.subtree
    const { incomplete = 0 } = labelsOf(snapshot.tags)
    const size = tree === undefined ? NOTHING : await counter.sizeOf(snapshot, tree)
    snapshots.push({ id: snapshot.id, incomplete, ...size })
  }
  const data = await sizesOf(request.repository, 'data', counter.blobs())
  const trees = await sizesOf(request.repository, 'tree', counter.trees())
  const restoreBytes = sum(snapshots.map(snapshot => snapshot.restoreBytes))
  const all = addTotals(data, trees)
  return {
    snapshots,
    files: sum(snapshots.map(snapshot => snapshot.files)),
    restoreBytes,
    data,
    trees,
    deduplication: ratio(restoreBytes, data.plainBytes),
    compression: ratio(all.plainBytes, all.storedBytes),
    findings: counter.findings,
    repository: await request.repository.statistics(),
  }
}

type TreeSize = Omit<SnapshotSize, 'id' | 'incomplete'>

const NOTHING: TreeSize = { files: 0, dirs: 0, restoreBytes: 0 }

class Counter {
  readonly #request: StatsRequest
  /** By tree: snapshots share most of theirs. */
  readonly #sizes = new Map<Id, TreeSize>()
  /** As 32 characters, a byte each: half of what hex digits take. */
  readonly #blobs = new Set<string>()

  readonly findings: Finding[] = []
  readonly onFinding = (finding: Finding): void => void this.findings.push(finding)
  readonly repository: StatsRequest['repository']

  constructor(request: StatsRequest) {
    this.#request = request
    this.repository = request.repository
  }

  async sizeOf(snapshot: Snapshot, tree: Id, path = ''): Promise<TreeSize> {
    const known = this.#sizes.get(tree)
    if (known !== undefined) return known
    throwIfAborted(this.#request.signal)
    const size = { files: 0, dirs: 0, restoreBytes: 0 }
    const nodes = (await loadUnlessDamaged(this, snapshot, path, tree)) ?? []
    for (const node of nodes) await this.#count(snapshot, joinPath(path, node.name), node, size)
    this.#sizes.set(tree, size)
    return size
  }

  async #count(
    snapshot: Snapshot,
    path: string,
    node: TreeNode,
    size: { files: number; dirs: number; restoreBytes: number },
  ): Promise<void> {
    if (node.type === 'file') {
      size.files += 1
      size.restoreBytes += node.sizeBytes ?? 0
      for (const id of node.content ?? []) this.#blobs.add(Buffer.from(id, 'hex').toString('latin1'))
    }
    if (node.type !== 'dir') return
    size.dirs += 1
    if (node.subtree === undefined) return
    const below = await this.sizeOf(snapshot, node.subtree, path)
    size.files += below.files
    size.dirs += below.dirs
    size.restoreBytes += below.restoreBytes
  }

  *blobs(): Generator<Id> {
    for (const id of this.#blobs) yield Buffer.from(id, 'latin1').toString('hex')
  }

  trees(): Iterable<Id> {
    return this.#sizes.keys()
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function ratio(whole: number, part: number): number {
  return part === 0 ? 1 : whole / part
}
