import { chmodSync, lchownSync } from 'node:fs'
import type { TreeNode } from '../../../model/node.ts'
import { type RawPath, toBuffer } from '../raw-path.ts'

const SETUID = 0o4000
const SETGID = 0o2000

/** Who restores, and so what may be restored. */
export interface Restorer {
  readonly uid: number
  readonly groups: ReadonlySet<number>
}

export function currentRestorer(): Restorer {
  const groups = [...(process.getgroups?.() ?? []), process.getegid?.() ?? -1]
  return { uid: process.geteuid?.() ?? -1, groups: new Set(groups) }
}

export function mayGiveAway(restorer: Restorer): boolean {
  return restorer.uid === 0
}

/** Sets the owner as far as this user may: root all, others their own groups. Never follows a symlink. */
export function restoreOwner(path: RawPath, node: TreeNode, restorer: Restorer): void {
  if (mayGiveAway(restorer)) lchownSync(toBuffer(path), node.uid, node.gid)
  else if (restorer.groups.has(node.gid)) lchownSync(toBuffer(path), -1, node.gid)
}

/** The caller has made sure that `path` is no symlink, or the node is one. */
export function restoreMode(path: RawPath, node: TreeNode, restorer: Restorer): void {
  if (node.type !== 'symlink') chmodSync(toBuffer(path), fittingMode(node, restorer))
}

/** A program that ran as another user must not run as whoever restored it. */
export function fittingMode(node: TreeNode, restorer: Restorer): number {
  let mode = node.mode & 0o7777
  if (mayGiveAway(restorer)) return mode
  if (node.uid !== restorer.uid) mode &= ~SETUID
  if (node.type !== 'dir' && !restorer.groups.has(node.gid)) mode &= ~SETGID
  return mode
}
