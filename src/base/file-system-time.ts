import { randomBytes } from 'node:crypto'
import { stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The present time by the clock that stamps files in this folder, in milliseconds: on a network file system the
 * server's. Only with this one can a file's age be told.
 */
export async function fileSystemNow(folder: string): Promise<number> {
  const path = join(folder, `.now-${randomBytes(6).toString('hex')}`)
  await writeFile(path, '', { flag: 'wx', mode: 0o600 })
  try {
    return (await stat(path)).mtimeMs
  } finally {
    await unlink(path)
  }
}
