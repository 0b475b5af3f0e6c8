import type { TreeNode } from '../../../model/node.ts'
import type { RawPath } from '../raw-path.ts'

export interface Placed {
  /** Absolute. */
  readonly raw: RawPath
  readonly node: TreeNode
}

/** A file that shares its inode with one that came before it in the snapshot. */
export interface HardLink extends Placed {
  readonly leader: RawPath
}

/** What the stream of entries has given and is not written yet. */
export class Batch {
  readonly files: Placed[] = []
  readonly links: HardLink[] = []
  /** Symlinks, fifos, devices. */
  readonly others: Placed[] = []
  /** Directories that are done once all else is, the deepest first. */
  readonly left: Placed[] = []
  #bytes = 0

  addFile(file: Placed): void {
    this.files.push(file)
    this.#bytes += file.node.sizeBytes ?? 0
  }

  get isFull(): boolean {
    const entries = this.files.length + this.links.length + this.others.length + this.left.length
    return entries >= ENTRIES || this.#bytes >= BYTES
  }
}

/** Bounds memory, and what a power failure in the middle costs. */
const ENTRIES = 2000
const BYTES = 1024 * 1024 * 1024
