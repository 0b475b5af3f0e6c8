import { type FileHandle, open } from 'node:fs/promises'
import { systemCode } from './errors.ts'

/**
 * What a file system says that can't sync folders, as SMB and some FUSE ones: a new name there is as durable as it gets.
 * Never what a failing disk says (`EIO`). restic forgives the same.
 *
 * @see https://man7.org/linux/man-pages/man2/fsync.2.html
 */
const CANNOT_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY'])

/** Makes the content of a file durable. */
export async function syncFile(path: string | Buffer): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes durable which names a folder has, as far as its file system can. */
export async function syncFolder(path: string | Buffer): Promise<void> {
  const folder = await openFolder(path)
  if (folder === undefined) return
  try {
    await folder.sync()
  } catch (error) {
    if (!CANNOT_SYNC.has(systemCode(error) ?? '')) throw error
  } finally {
    await folder.close()
  }
}

/** Undefined for one that we may write to but not list: its names become durable with the file system's next commit. */
async function openFolder(path: string | Buffer): Promise<FileHandle | undefined> {
  return await open(path, 'r').catch((error: unknown) => {
    if (systemCode(error) !== 'EACCES') throw error
    return undefined
  })
}
