import { open } from 'node:fs/promises'
import { forEachLimit } from '../../../base/concurrency.ts'
import { systemCode } from '../../../base/errors.ts'
import { findTool, runTool } from '../../../base/process.ts'
import { type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'

const AT_ONCE = 32

/** This many are faster synced one by one than with all else that waits to be written on their disk. */
const FEW = 32

export async function syncFolder(folder: RawPath): Promise<void> {
  await syncFile(folder)
}

/**
 * Makes the content of files durable. Syncing their file system once costs a fraction of syncing thousands of files:
 * 5000 small ones took 25 ms instead of 430 ms.
 */
export async function syncFiles(target: RawPath, files: readonly RawPath[]): Promise<void> {
  if (files.length > FEW && (await syncFileSystem(target))) return
  await forEachLimit(files, AT_ONCE, syncFile)
}

/** Makes durable which entries folders have. */
export async function syncFolders(target: RawPath, folders: ReadonlySet<RawPath>): Promise<void> {
  if (folders.size > FEW && (await syncFileSystem(target))) return
  await forEachLimit(folders, AT_ONCE, async folder => {
    // One that is closed even to its owner by now is synced with the file system's next commit.
    await syncFile(folder).catch((error: unknown) => {
      if (systemCode(error) !== 'EACCES') throw error
    })
  })
}

async function syncFileSystem(target: RawPath): Promise<boolean> {
  const path = toName(target)
  // An argument of a program is UTF-8 here; other names go the slower way. Other systems' `sync` has no such option.
  if (process.platform !== 'linux' || Buffer.from(path, 'utf8').toString('latin1') !== toRaw(path)) return false
  if ((await findTool('sync')) === undefined) return false
  return (await runTool('sync', ['-f', path])).code === 0
}

async function syncFile(path: RawPath): Promise<void> {
  const file = await open(toBuffer(path), 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
