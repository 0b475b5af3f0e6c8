import type { NodeType, TreeNode } from '../../model/node.ts'

/** One entry of a snapshot as people and scripts see it; fit for JSON. */
export interface ListedEntry {
  /** Relative to the source's folder; with a leading '/', to the snapshot's root. */
  readonly path: string
  readonly type: NodeType
  /** As `ls -l` has it: `drwxr-xr-x`. */
  readonly permissions: string
  readonly uid: number
  readonly gid: number
  readonly user?: string
  readonly group?: string
  /** Files only. */
  readonly sizeBytes?: number
  readonly modified: string
  readonly linkTarget?: string
}

export function toListedEntry(path: string, node: TreeNode): ListedEntry {
  return {
    path,
    type: node.type,
    permissions: permissionsOf(node),
    uid: node.uid,
    gid: node.gid,
    ...(node.user === undefined ? {} : { user: node.user }),
    ...(node.group === undefined ? {} : { group: node.group }),
    ...(node.type === 'file' ? { sizeBytes: node.sizeBytes ?? 0 } : {}),
    modified: toIsoTime(node.mtimeNs),
    ...(node.linkTarget === undefined ? {} : { linkTarget: node.linkTarget }),
  }
}

const LETTERS: Readonly<Record<NodeType, string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  dev: 'b',
  chardev: 'c',
  fifo: 'p',
  socket: 's',
  irregular: '?',
}

/** Setuid and setgid stand in the place of their `x`, sticky in that of the others': capital where there is no `x`. */
export function permissionsOf({ type, mode }: Pick<TreeNode, 'type' | 'mode'>): string {
  return (
    LETTERS[type] +
    triple((mode >> 6) & 7, (mode & 0o4000) !== 0, 's') +
    triple((mode >> 3) & 7, (mode & 0o2000) !== 0, 's') +
    triple(mode & 7, (mode & 0o1000) !== 0, 't')
  )
}

function triple(bits: number, special: boolean, letter: string): string {
  const execute = (bits & 1) !== 0
  const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-'
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`
}

/** What a date can hold; a node of another program may say anything. */
const LIMIT_MS = 8_640_000_000_000_000n

export function toIsoTime(ns: bigint): string {
  const ms = ns / 1_000_000n
  const within = ms > LIMIT_MS ? LIMIT_MS : ms < -LIMIT_MS ? -LIMIT_MS : ms
  return new Date(Number(within)).toISOString()
}
