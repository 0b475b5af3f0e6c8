import { link } from 'node:fs/promises'
import { systemCode } from './errors.ts'

/** No hard links at all (FAT, some network file systems), none for this file, or no more of them. */
const CANNOT_LINK: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** Gives a file a second name. False where the file system can't; throws `EEXIST` when something has that name. */
export async function addName(path: string, name: string): Promise<boolean> {
  try {
    await link(path, name)
    return true
  } catch (error) {
    if (CANNOT_LINK.has(systemCode(error) ?? '')) return false
    throw error
  }
}
