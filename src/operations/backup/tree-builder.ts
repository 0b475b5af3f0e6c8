import { AppError } from '../../base/errors.ts'
import type { Id, NodeMeta, TreeNode } from '../../model/node.ts'

/**
 * Turns a depth-first stream of entries into trees, saving each directory when the stream leaves it. Nodes may still be
 * under way: a directory waits for its own, the stream does not. Holds the open directories only.
 */
export class TreeBuilder {
  readonly #saveTree: (nodes: readonly TreeNode[]) => Promise<Id>
  readonly #open: Directory[] = [{ path: '', meta: undefined, nodes: [] }]
  #failure: { readonly error: unknown } | undefined

  constructor(saveTree: (nodes: readonly TreeNode[]) => Promise<Id>) {
    this.#saveTree = saveTree
  }

  openDirectory(path: string, meta: NodeMeta): void {
    const root = this.#open[0]
    if (path === '' && root !== undefined) {
      root.meta = meta
      return
    }
    this.#leaveUntil(parentOf(path))
    this.#open.push({ path, meta, nodes: [] })
  }

  /** A node of the directory that its path names, which must be open. Undefined: the entry was lost, leave it out. */
  add(path: string, node: Promise<TreeNode | undefined>): void {
    this.#leaveUntil(parentOf(path))
    this.#top().nodes.push(this.#watch(node))
  }

  /** Throws the first failure of anything under way, so that a long walk stops early. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Saves what is still open; the root's own tree and metadata (if the stream had an entry for it). */
  async close(): Promise<{ id: Id; meta: NodeMeta | undefined }> {
    this.#leaveUntil('')
    const root = this.#top()
    const nodes = await settle(root.nodes)
    this.throwIfFailed()
    return { id: await this.#saveTree(nodes), meta: root.meta }
  }

  #leaveUntil(path: string): void {
    while (this.#top().path !== path) {
      const left = this.#open.pop()
      if (left === undefined || this.#open.length === 0) {
        throw new AppError('failed', `entry outside of any open directory: ${path}`)
      }
      this.#top().nodes.push(this.#watch(this.#save(left)))
    }
  }

  async #save(directory: Directory): Promise<TreeNode | undefined> {
    const nodes = await settle(directory.nodes)
    if (this.#failure !== undefined || directory.meta === undefined) return undefined
    const name = directory.path.slice(directory.path.lastIndexOf('/') + 1)
    return { ...directory.meta, name, subtree: await this.#saveTree(nodes) }
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
  readonly nodes: Array<Promise<TreeNode | undefined>>
}

async function settle(nodes: ReadonlyArray<Promise<TreeNode | undefined>>): Promise<TreeNode[]> {
  return (await Promise.all(nodes)).filter(node => node !== undefined)
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
