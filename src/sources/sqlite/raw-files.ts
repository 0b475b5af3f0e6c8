import type { BigIntStats } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Descriptors of database files that we opened for plain reading. Closing any descriptor of a file drops every POSIX lock
 * this process has on it, so plain descriptors and SQLite connections to one file never share a process: connections
 * live in a process of their own (`session.ts`), and where the application itself runs in this very process and has the
 * file open, we do not open it at all (`isHeldByThisProcess`).
 *
 * @see https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 */
const ours = new Set<number>()

export async function openRaw(path: string): Promise<FileHandle> {
  const handle = await open(path, 'r')
  ours.add(handle.fd)
  return handle
}

export async function closeRaw(handle: FileHandle | undefined): Promise<void> {
  if (!handle) return
  ours.delete(handle.fd)
  await handle.close()
}

/** Has someone else in this process the file open? Linux only; elsewhere always false (README, "Limits"). */
export async function isHeldByThisProcess(file: BigIntStats): Promise<boolean> {
  const folder = '/proc/self/fd'
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    if (ours.has(Number(name))) continue
    const held = await stat(join(folder, name), { bigint: true }).catch(() => undefined)
    if (held && held.ino === file.ino && held.dev === file.dev) return true
  }
  return false
}
