import { createHash } from 'node:crypto'
import { compareNames } from '../../src/base/bytes.ts'
import { AppError } from '../../src/base/errors.ts'
import type { Id, TreeNode } from '../../src/model/node.ts'
import type { BlobSize, Repository, RepositoryStatistics, Snapshot } from '../../src/repository/index.ts'

/** A folder as an object: a string is a file of that content, an object a folder, a node what it says. */
export interface Folder {
  readonly [name: string]: string | Folder | MadeNode
}

/** A node of its own making; its content, if it is a file, or what is in it, if it is a folder. */
export class MadeNode {
  readonly node: Partial<TreeNode>
  readonly inside: string | Folder
  constructor(node: Partial<TreeNode>, inside: string | Folder = '') {
    this.node = node
    this.inside = inside
  }
}

const MTIME_NS = 1_700_000_000_000_000_000n

/** The reading side of a repository over trees in memory, counting what is asked for. Contents are blobs of 4 bytes. */
export class TreeRepository
  implements Pick<Repository, 'loadTree' | 'readContent' | 'findBlobSizes' | 'statistics' | 'loadBlob'>
{
  readonly loadedTrees: Id[] = []
  readonly #trees = new Map<Id, readonly TreeNode[]>()
  readonly #blobs = new Map<Id, Buffer>()
  #snapshots = 0

  /** One of ours when `source` is given: the folder is then in a folder of that name, with a manifest beside it. */
  snapshot(folder: Folder, source?: string): Snapshot {
    const whole = source === undefined ? folder : { [source]: folder, '.lifeboat': { 'manifest.json': '{}' } }
    this.#snapshots += 1
    return {
      id: idOf(`snapshot ${this.#snapshots}`),
      time: new Date(Date.UTC(2026, 0, this.#snapshots)),
      tree: this.#store(whole),
      paths: ['/'],
      hostname: 'host',
      username: 'user',
      tags: source === undefined ? [] : ['lifeboat', `source:${source}`, 'kind:files', 'type:full', 'run:r'],
    }
  }

  /** As if the pack that holds this folder's tree were gone. */
  async loseTree(snapshot: Snapshot, path: readonly string[]): Promise<void> {
    let tree = snapshot.tree
    for (const name of path) tree = (await this.loadTree(tree)).find(node => node.name === name)?.subtree ?? ''
    if (!this.#trees.delete(tree)) throw new Error(`there is no folder ${path.join('/')}`)
  }

  loadTree(id: Id): Promise<TreeNode[]> {
    this.loadedTrees.push(id)
    const nodes = this.#trees.get(id)
    if (nodes === undefined) return Promise.reject(new AppError('damaged', `no tree ${id}`))
    return Promise.resolve([...nodes])
  }

  async *readContent(content: readonly Id[]): AsyncGenerator<Buffer> {
    for (const id of content) yield await this.loadBlob('data', id)
  }

  loadBlob(_type: 'data' | 'tree', id: Id): Promise<Buffer> {
    const blob = this.#blobs.get(id)
    return blob === undefined ? Promise.reject(new AppError('damaged', `no blob ${id}`)) : Promise.resolve(blob)
  }

  /** Half of each blob is compressed away; trees take 100 bytes, 50 stored. */
  findBlobSizes(type: 'data' | 'tree', ids: readonly Id[]): Promise<Array<BlobSize | undefined>> {
    const sizes = ids.map(id => {
      const plainBytes = type === 'tree' ? (this.#trees.has(id) ? 100 : undefined) : this.#blobs.get(id)?.length
      return plainBytes === undefined ? undefined : { plainBytes, storedBytes: plainBytes / 2 }
    })
    return Promise.resolve(sizes)
  }

  statistics(): Promise<RepositoryStatistics> {
    const blobs = this.#blobs.size + this.#trees.size
    return Promise.resolve({ snapshots: this.#snapshots, packs: 1, blobs, storedBytes: 0, uncompressedBytes: 0 })
  }

  #store(folder: Folder): Id {
    const nodes = Object.entries(folder).map(([name, inside]) => this.#node(name, inside))
    nodes.sort((a, b) => compareNames(a.name, b.name))
    const text = JSON.stringify(nodes, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    const id = idOf(text)
    this.#trees.set(id, nodes)
    return id
  }

  #node(name: string, value: string | Folder | MadeNode): TreeNode {
    const { node, inside } = value instanceof MadeNode ? value : { node: {}, inside: value }
    const meta = { name, mode: 0o644, mtimeNs: MTIME_NS, uid: 1000, gid: 1000 }
    if (typeof inside !== 'string') return { ...meta, type: 'dir', mode: 0o755, subtree: this.#store(inside), ...node }
    if (node.type !== undefined && node.type !== 'file') return { ...meta, type: node.type, ...node }
    const content = (inside.match(/.{1,4}/gs) ?? []).map(part => {
      const id = idOf(part)
      this.#blobs.set(id, Buffer.from(part))
      return id
    })
    return { ...meta, type: 'file', content, sizeBytes: Buffer.byteLength(inside), ...node }
  }
}

function idOf(text: string): Id {
  return createHash('sha256').update(text).digest('hex')
}
