import { open } from 'node:fs/promises'
import { forEachLimit } from '../../../../base/concurrency.ts'
import { findTool, runTool } from '../../../../base/process.ts'

const AT_ONCE = 16

/** Makes a file's content, or a folder's entries, durable. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Makes everything written below the folders durable. One sync of their file system costs a fraction of one for each of
 * thousands of files; where there is no such program, the files and folders are synced one by one.
 */
export async function syncTrees(folders: readonly string[], paths: Iterable<string>): Promise<void> {
  if (process.platform === 'linux' && (await findTool('sync')) !== undefined) {
    const results = await Promise.all(folders.map(folder => runTool('sync', ['-f', folder])))
    if (results.every(result => result.code === 0)) return
  }
  await forEachLimit(paths, AT_ONCE, syncFile)
}
