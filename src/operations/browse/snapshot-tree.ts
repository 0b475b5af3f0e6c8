import { AppError } from '../../base/errors.ts'
import type { Manifest } from '../../model/manifest.ts'
import { parseManifest } from '../../model/manifest-schema.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'

export const MANIFEST_FOLDER = '.lifeboat'
export const MANIFEST_FILE = 'manifest.json'

/** Manifests are JSON of tables and files; one bigger than this is not ours. */
const MANIFEST_LIMIT_BYTES = 256 * 1024 * 1024

export interface TreeEntry {
  /** '/'-separated, no leading '/', relative to where the walk began. */
  readonly path: string
  readonly node: TreeNode
}

/** Paths in one snapshot's tree. Directories looked up are kept (a few), since neighbours are asked for in turn. */
export class SnapshotTree {
  readonly #repository: Repository
  readonly #root: Id
  readonly #kept = new Map<Id, ReadonlyMap<string, TreeNode>>()

  constructor(repository: Repository, root: Id) {
    this.#repository = repository
    this.#root = root
  }

  /** The node at a path, '' being the root (a bare directory node). */
  async findNode(path: string): Promise<TreeNode | undefined> {
    const parts = path.split('/').filter(part => part !== '')
    let node: TreeNode = rootNode(this.#root)
    for (const part of parts) {
      if (node.subtree === undefined) return undefined
      const next = (await this.#directory(node.subtree)).get(part)
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  /** Everything below a directory, directories before what is in them, depth first, in byte order of the names. */
  async *walk(from: TreeNode, prefix = ''): AsyncGenerator<TreeEntry> {
    if (from.subtree === undefined) return
    for (const node of await this.#repository.loadTree(from.subtree)) {
      const path = prefix === '' ? node.name : `${prefix}/${node.name}`
      yield { path, node }
      if (node.type === 'dir') yield* this.walk(node, path)
    }
  }

  async #directory(id: Id): Promise<ReadonlyMap<string, TreeNode>> {
    const kept = this.#kept.get(id)
    if (kept) {
      this.#kept.delete(id)
      this.#kept.set(id, kept)
      return kept
    }
    const loaded = new Map((await this.#repository.loadTree(id)).map(node => [node.name, node]))
    this.#kept.set(id, loaded)
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > KEPT_DIRECTORIES && !oldest.done) this.#kept.delete(oldest.value)
    return loaded
  }
}

const KEPT_DIRECTORIES = 32

function rootNode(subtree: Id): TreeNode {
  return { name: '', type: 'dir', mode: 0o755, mtimeNs: 0n, uid: 0, gid: 0, subtree }
}

/** The folder that holds the source in its snapshot; the whole tree where another program wrote the snapshot. */
export function sourceFolder(snapshot: Snapshot): string {
  return labelsOf(snapshot.tags).source ?? ''
}

/** The source's folder as a node. `damaged` when the snapshot lacks it. */
export async function getSourceRoot(tree: SnapshotTree, snapshot: Snapshot): Promise<TreeNode> {
  const folder = sourceFolder(snapshot)
  const node = await tree.findNode(folder)
  if (node !== undefined) return node
  throw new AppError('damaged', `snapshot ${snapshot.id.slice(0, 8)} has no folder /${folder}`, {
    hint: `Run "lifeboat ls ${snapshot.id.slice(0, 8)}" to see what is in it.`,
  })
}

/** The snapshot's manifest; undefined where there is none (another program's) or it is not understood. */
export async function loadManifest(repository: Repository, snapshot: Snapshot): Promise<Manifest | undefined> {
  if (labelsOf(snapshot.tags).source === undefined) return undefined
  const node = await new SnapshotTree(repository, snapshot.tree).findNode(`${MANIFEST_FOLDER}/${MANIFEST_FILE}`)
  if (node?.content === undefined || (node.sizeBytes ?? 0) > MANIFEST_LIMIT_BYTES) return undefined
  const parts: Buffer[] = []
  for await (const part of repository.readContent(node.content)) parts.push(part)
  return parseManifest(Buffer.concat(parts).toString('utf8'))
}
