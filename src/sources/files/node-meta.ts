import type { BigIntStats } from 'node:fs'
import type { NodeMeta, NodeType } from '../../model/node.ts'
import type { Accounts } from './accounts.ts'

export function typeOf(stat: BigIntStats): NodeType {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'dir'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isBlockDevice()) return 'dev'
  if (stat.isCharacterDevice()) return 'chardev'
  if (stat.isFIFO()) return 'fifo'
  return stat.isSocket() ? 'socket' : 'irregular'
}

/** Access times are left out: reading changes them, and a tree would never equal the one before. */
export function metaOf(stat: BigIntStats, accounts: Accounts): NodeMeta {
  const type = typeOf(stat)
  const uid = Number(stat.uid)
  const gid = Number(stat.gid)
  const user = accounts.users.get(uid)
  const group = accounts.groups.get(gid)
  const linked = type !== 'dir' && stat.nlink > 1n
  return {
    type,
    mode: Number(stat.mode & 0o7777n),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    uid,
    gid,
    inode: stat.ino,
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    // Device numbers change from boot to boot; only hard links need them.
    ...(linked ? { links: Number(stat.nlink), deviceId: stat.dev } : {}),
    ...(type === 'dev' || type === 'chardev' ? { device: stat.rdev } : {}),
  }
}

/** Nothing that leaves a trace has happened between the two looks: every write or change of metadata sets the ctime. */
export function sameState(a: BigIntStats, b: BigIntStats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}
