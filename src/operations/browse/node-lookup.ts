import { compareNames } from '../../base/bytes.ts'
import type { TreeNode } from '../../model/node.ts'

/** A folder of up to so many entries is read once; of a larger one, so many of the last that were read are remembered. */
const REMEMBERED = 10_000

/**
 * Finds the nodes of one folder by name. Names are asked for nearly in order, so it reads on from where it is; one that
 * it has forgotten makes it begin anew.
 */
export class NodeLookup {
  readonly #nodes: Iterable<TreeNode>
  readonly #remembered: number
  /** In byte order. */
  readonly #read = new Map<string, TreeNode>()
  #unread: Iterator<TreeNode>
  #last: string | undefined
  #hasForgotten = false

  /** @param nodes in byte order of their names */
  constructor(nodes: Iterable<TreeNode>, remembered = REMEMBERED) {
    this.#nodes = nodes
    this.#remembered = remembered
    this.#unread = nodes[Symbol.iterator]()
  }

  find(name: string): TreeNode | undefined {
    const known = this.#read.get(name)
    if (known !== undefined) return known
    if (this.#isForgotten(name)) this.#beginAnew()
    while (this.#last === undefined || compareNames(this.#last, name) < 0) {
      const next = this.#unread.next()
      if (next.done) return undefined
      this.#remember(next.value)
    }
    return this.#read.get(name)
  }

  #isForgotten(name: string): boolean {
    const [first] = this.#read.keys()
    return this.#hasForgotten && first !== undefined && compareNames(name, first) < 0
  }

  #beginAnew(): void {
    this.#read.clear()
    this.#unread = this.#nodes[Symbol.iterator]()
    this.#last = undefined
    this.#hasForgotten = false
  }

  #remember(node: TreeNode): void {
    this.#read.set(node.name, node)
    this.#last = node.name
    if (this.#read.size <= this.#remembered) return
    const [oldest] = this.#read.keys()
    if (oldest !== undefined) this.#read.delete(oldest)
    this.#hasForgotten = true
  }
}
