import { AppError } from '../../base/errors.ts'
import type { Id, NodeMeta, TreeNode } from '../../model/node.ts'
import type { TreeWriting } from '../../repository/index.ts'

/** So many nodes of a directory are under way at once; of those before them only the text is held. */
const NODES_AT_ONCE = 1000

/**
 * Turns a depth-first stream of entries into trees, ending each directory's when the stream leaves it. Nodes may still be
 * under way: a directory waits for its own. Holds the open directories only, and of each the nodes that came last.
 */
export class TreeBuilder {
  readonly #startTree: () => TreeWriting
  readonly #open: Directory[]
  #failure: { readonly error: unknown } | undefined
  #pace = Promise.resolve()

  constructor(startTree: () => TreeWriting) {
    this.#startTree = startTree
    this.#open = [this.#directory('', undefined)]
  }

  openDirectory(path: string, meta: NodeMeta): void {
    const root = this.#open[0]
    if (path === '' && root !== undefined) {
      root.meta = meta
      return
    }
    this.#leaveUntil(parentOf(path))
    this.#open.push(this.#directory(path, meta))
  }

  /** A node of the directory that its path names, which must be open. Undefined: the entry was lost, leave it out. */
  add(path: string, node: Promise<TreeNode | undefined>): void {
    this.#leaveUntil(parentOf(path))
    this.#addTo(this.#top(), node)
  }

  /** Resolves when the stream may go on: it must not run ahead of the writing of a large directory. */
  async keepPace(): Promise<void> {
    await this.#pace
  }

  /** Throws the first failure of anything under way, so that a long walk stops early. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Saves what is still open; the root's own tree and metadata (if the stream had an entry for it). */
  async close(): Promise<{ id: Id; meta: NodeMeta | undefined }> {
    this.#leaveUntil('')
    const root = this.#top()
    const id = await this.#finish(root)
    this.throwIfFailed()
    return { id, meta: root.meta }
  }

  #directory(path: string, meta: NodeMeta | undefined): Directory {
    return { path, meta, tree: this.#startTree(), nodes: [], written: Promise.resolve() }
  }

  #addTo(directory: Directory, node: Promise<TreeNode | undefined>): void {
    directory.nodes.push(this.#watch(node))
    if (directory.nodes.length < NODES_AT_ONCE) return
    this.#pace = directory.written
    this.#writeNodes(directory)
  }

  #writeNodes(directory: Directory): void {
    const { tree, nodes, written } = directory
    directory.nodes = []
    directory.written = this.#write(tree, nodes, written)
  }

  async #write(tree: TreeWriting, nodes: Directory['nodes'], before: Promise<void>): Promise<void> {
    await before
    const settled = await Promise.all(nodes)
    try {
      if (this.#failure === undefined) await tree.add(settled.filter(node => node !== undefined))
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #leaveUntil(path: string): void {
    while (this.#top().path !== path) {
      const left = this.#open.pop()
      if (left === undefined || this.#open.length === 0) {
        throw new AppError('failed', `entry outside of any open directory: ${path}`)
      }
      this.#addTo(this.#top(), this.#save(left))
    }
  }

  async #save(directory: Directory): Promise<TreeNode | undefined> {
    const subtree = await this.#finish(directory)
    if (this.#failure !== undefined || directory.meta === undefined) return undefined
    const name = directory.path.slice(directory.path.lastIndexOf('/') + 1)
    return { ...directory.meta, name, subtree }
  }

  async #finish(directory: Directory): Promise<Id> {
    this.#writeNodes(directory)
    await directory.written
    this.throwIfFailed()
    return await directory.tree.finish()
  }

  /** Nobody may be waiting for a node when it fails, so the failure is kept until somebody is. */
  #watch(node: Promise<TreeNode | undefined>): Promise<TreeNode | undefined> {
    return node.catch((error: unknown) => {
      this.#failure ??= { error }
      return undefined
    })
  }

  #top(): Directory {
    const top = this.#open.at(-1)
    if (top === undefined) throw new AppError('failed', 'no directory is open')
    return top
  }
}

interface Directory {
  readonly path: string
  meta: NodeMeta | undefined
  readonly tree: TreeWriting
  /** Not given to the tree yet. */
  nodes: Array<Promise<TreeNode | undefined>>
  /** Resolves when the tree has all those before. */
  written: Promise<void>
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
