import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { TreeWriting } from '../contract/writing.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { loadTree } from '../read/load-tree.ts'
import type { Reader } from '../read/reader.ts'

const LISTED = 1000

/** What is left of a tree. */
export interface LeftOfTree {
  /** Undefined: nothing, for the tree itself cannot be read. */
  readonly tree: Id | undefined
  /** Relative to the tree; the first thousand. */
  readonly lost: readonly string[]
  readonly lostCount: number
}

const NODES_AT_ONCE = 1000

/**
 * Makes trees without what cannot be read. A file of which a blob is gone is left out whole: one with a hole in it, or a
 * shorter one, looks like any other. Trees that need no change keep their ids, and each is looked at once.
 */
export class TreeRewriter {
  /** What is gone; the first thousand. */
  readonly missing: Array<Pick<PackedBlob, 'type' | 'id'>> = []
  readonly #reader: Reader
  readonly #startTree: () => TreeWriting
  readonly #signal: AbortSignal
  /** Of trees of which something is lost. */
  readonly #changed = new Map<Id, LeftOfTree>()
  readonly #whole = new Set<Id>()

  /** @param startTree stores the new trees, or in a dry run does not */
  constructor(reader: Reader, startTree: () => TreeWriting, signal: AbortSignal) {
    this.#reader = reader
    this.#startTree = startTree
    this.#signal = signal
  }

  async rewrite(id: Id): Promise<LeftOfTree> {
    const known = this.#changed.get(id)
    if (known !== undefined) return known
    if (this.#whole.has(id)) return { tree: id, lost: [], lostCount: 0 }
    throwIfAborted(this.#signal)
    const left = await this.#look(id)
    if (left.tree === id) this.#whole.add(id)
    else this.#changed.set(id, left)
    return left
  }

  async #look(id: Id): Promise<LeftOfTree> {
    const nodes = await this.#load(id)
    if (nodes === undefined) return { tree: undefined, lost: [], lostCount: 0 }
    const replaced = new Map<string, TreeNode | undefined>()
    const lost = new LostPaths()
    for (const node of nodes) {
      const left = await this.#leftOf(node, lost)
      if (left !== node) replaced.set(node.name, left)
    }
    if (replaced.size === 0) return { tree: id, lost: [], lostCount: 0 }
    return { tree: await this.#save(nodes, replaced), lost: lost.paths, lostCount: lost.count }
  }

  /** The node, one in its place, or undefined: it is left out. */
  async #leftOf(node: TreeNode, lost: LostPaths): Promise<TreeNode | undefined> {
    const gone = node.content?.find(blob => !this.#reader.index.find('data', blob))
    if (gone !== undefined) {
      this.#miss('data', gone)
      lost.add(node.name)
      return undefined
    }
    if (node.subtree === undefined) return node
    const below = await this.rewrite(node.subtree)
    if (below.tree === undefined) {
      lost.add(`${node.name}/`)
      return undefined
    }
    if (below.tree === node.subtree) return node
    lost.addBelow(node.name, below)
    return { ...node, subtree: below.tree }
  }

  async #save(nodes: Iterable<TreeNode>, replaced: ReadonlyMap<string, TreeNode | undefined>): Promise<Id> {
    const tree = this.#startTree()
    let batch: TreeNode[] = []
    for (const node of nodes) {
      const left = replaced.has(node.name) ? replaced.get(node.name) : node
      if (left !== undefined) batch.push(left)
      if (batch.length < NODES_AT_ONCE) continue
      await tree.add(batch)
      batch = []
    }
    await tree.add(batch)
    return await tree.finish()
  }

  async #load(id: Id): Promise<Iterable<TreeNode> | undefined> {
    try {
      return await loadTree(this.#reader, id, this.#signal)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      this.#miss('tree', id)
      return undefined
    }
  }

  #miss(type: BlobType, id: Id): void {
    if (this.missing.length < LISTED) this.missing.push({ type, id })
  }
}

class LostPaths {
  readonly paths: string[] = []
  count = 0

  add(path: string): void {
    this.count++
    if (this.paths.length < LISTED) this.paths.push(path)
  }

  addBelow(folder: string, { lost, lostCount }: LeftOfTree): void {
    this.count += lostCount
    for (const path of lost.slice(0, LISTED - this.paths.length)) this.paths.push(`${folder}/${path}`)
  }
}
