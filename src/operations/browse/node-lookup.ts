import { compareNames } from '../../base/bytes.ts'
import type { TreeNode } from '../../model/node.ts'

/** A folder of up to so many entries is read once; of a larger one, at least so many of the last that were read are known. */
const REMEMBERED = 5000

/**
 * Finds the nodes of one folder by name. Names are asked for nearly in order, so it reads on from where it is; one that
 * it has forgotten makes it begin anew.
 */
export class NodeLookup {
  readonly #nodes: Iterable<TreeNode>
  readonly #remembered: number
  /** What was read last, and before it: forgotten as a whole, since a map that loses its first entries gets slow. */
  #late = new Map<string, TreeNode>()
  #early = new Map<string, TreeNode>()
  #unread: Iterator<TreeNode>
  #last: string | undefined
  /** The last name that was forgotten. */
  #forgotten: string | undefined

  /** @param nodes in byte order of their names */
  constructor(nodes: Iterable<TreeNode>, remembered = REMEMBERED) {
    this.#nodes = nodes
    this.#remembered = remembered
    this.#unread = nodes[Symbol.iterator]()
  }

  find(name: string): TreeNode | undefined {
    const known = this.#late.get(name) ?? this.#early.get(name)
    if (known !== undefined) return known
    if (this.#forgotten !== undefined && compareNames(name, this.#forgotten) <= 0) this.#beginAnew()
    while (this.#last === undefined || compareNames(this.#last, name) < 0) {
      const next = this.#unread.next()
      if (next.done) return undefined
      this.#remember(next.value)
    }
    return this.#late.get(name)
  }

  #beginAnew(): void {
    this.#late.clear()
    this.#early.clear()
    this.#unread = this.#nodes[Symbol.iterator]()
    this.#last = undefined
    this.#forgotten = undefined
  }

  #remember(node: TreeNode): void {
    if (this.#late.size >= this.#remembered) {
      this.#forgotten = [...this.#early.keys()].at(-1) ?? this.#forgotten
      this.#early = this.#late
      this.#late = new Map()
    }
    this.#late.set(node.name, node)
    this.#last = node.name
  }
}
