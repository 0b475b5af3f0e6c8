/** 64 lower-case hex digits: the SHA-256 of a plaintext (blobs) or of a stored file (packs, snapshots, ...). */
export type Id = string

export type NodeType = 'file' | 'dir' | 'symlink' | 'dev' | 'chardev' | 'fifo' | 'socket' | 'irregular'

export interface ExtendedAttribute {
  readonly name: string
  readonly value: Uint8Array
}

/**
 * What is known of one entry of a tree, without its content. Times are nanoseconds since the epoch; `mode` is the low
 * 12 bits of `st_mode` (permissions, setuid, setgid, sticky), the type being in `type`. Names may hold escaped bytes,
 * see `base/bytes.ts`.
 */
export interface NodeMeta {
  readonly type: NodeType
  readonly mode: number
  readonly mtimeNs: bigint
  readonly atimeNs?: bigint
  readonly ctimeNs?: bigint
  readonly uid: number
  readonly gid: number
  readonly user?: string
  readonly group?: string
  readonly inode?: bigint
  readonly deviceId?: bigint
  /** Device number of a `dev` or `chardev`. */
  readonly device?: bigint
  /** Hard links; 1 or absent means none. */
  readonly links?: number
  readonly linkTarget?: string
  readonly extendedAttributes?: readonly ExtendedAttribute[]
}

/** One entry of a stored tree. `content` belongs to files (data blobs in order), `subtree` to directories. */
export interface TreeNode extends NodeMeta {
  readonly name: string
  readonly sizeBytes?: number
  readonly content?: readonly Id[]
  readonly subtree?: Id
}
