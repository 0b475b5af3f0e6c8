import type { Stats } from 'node:fs'
import { chmod, chown, open, rm, stat, utimes } from 'node:fs/promises'
import type { NodeMeta } from '../../model/node.ts'

/** Readable by us alone until it has the mode that it is to have. */
export async function createPrivate(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  await file.close()
}

export async function removePartialSidecars(target: { readonly partial: string }): Promise<void> {
  for (const end of ['-wal', '-shm', '-journal']) await rm(target.partial + end, { force: true })
}

/** A file that takes another's place is for the same user and program. */
export function likeExisting(existing: Stats, node: NodeMeta): NodeMeta {
  return { ...node, mode: existing.mode & 0o7777, uid: existing.uid, gid: existing.gid }
}

/** Owner only for root: nobody else may give files away. */
export async function applyMeta(path: string, meta: NodeMeta): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, meta.uid, meta.gid)
  await chmod(path, meta.mode)
  const seconds = Number(meta.mtimeNs / 1000n) / 1e6
  await utimes(path, seconds, seconds)
}

/** Gives it the owner and the mode of another file. */
export async function likeFile(path: string, model: string): Promise<void> {
  const { mode, uid, gid } = await stat(model)
  if (process.getuid?.() === 0) await chown(path, uid, gid)
  await chmod(path, mode & 0o7777)
}
