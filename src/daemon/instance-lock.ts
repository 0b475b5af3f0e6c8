import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError, messageOf } from '../base/errors.ts'

/** SQLITE_BUSY, https://www.sqlite.org/rescode.html */
const BUSY = 5

/** Held for as long as this process lives: the system lets go of it whatever ends the process. */
export interface InstanceLock {
  release(): void
}

/** Throws `already-running` where another scheduler works with this state folder, which is on a local disk. */
export function lockInstance(stateFolder: string): InstanceLock {
  const file = join(stateFolder, 'serve.lock')
  closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    // A lock of the file system's that nobody has to tidy up after a kill.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE')
  } catch (error) {
    database.close()
    if ((error as { readonly errcode?: number }).errcode === BUSY) throw alreadyRunning(stateFolder)
    throw new AppError('failed', `cannot lock ${file}: ${messageOf(error)}`, { cause: error })
  }
  return { release: () => database.close() }
}

function alreadyRunning(stateFolder: string): AppError {
  return new AppError('already-running', `another "lifeboat serve" works with ${stateFolder}`, {
    hint: 'See what it does with: lifeboat status',
  })
}
