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

/** Remembers the first of each set of hard links. */
export class HardLinks {
  readonly #leaders = new Map<string, { readonly raw: RawPath; left: number }>()

  /** The place of the first file with this one's inode, or undefined: then this is the first one. */
  leaderOf({ raw, node }: Placed): RawPath | undefined {
    const { links, inode, deviceId, content, sizeBytes } = node
    if (links === undefined || links < 2 || inode === undefined) return undefined
    // With the content in the key, a snapshot that is wrong about inodes costs space, not data.
    const key = [deviceId ?? 0n, inode, sizeBytes ?? 0, content?.length ?? 0, content?.[0], content?.at(-1)].join(':')
    const leader = this.#leaders.get(key)
    if (leader === undefined) {
      this.#leaders.set(key, { raw, left: links - 1 })
      return undefined
    }
    leader.left -= 1
    if (leader.left === 0) this.#leaders.delete(key)
    return leader.raw
  }
}
