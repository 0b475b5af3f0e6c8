import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError, messageOf, systemCode } from './errors.ts'
import { fileSystemNow } from './file-system-time.ts'
import { giveAllBelow, giveFolder, ownerOfFolder } from './folder-owner.ts'
import { makeFolders } from './make-folders.ts'
import { lifeOfNamed, ownerName } from './process-life.ts'

/** Makes a folder, with those above it, that only its owner can reach. One that is there is left as it is. */
export async function privateFolder(folder: string): Promise<string> {
  try {
    const made = await makeFolders(folder, 0o700)
    if (made === undefined) return folder
    // The umask may have taken more than it should; never touch a folder that was there.
    await chmod(folder, 0o700)
    await giveFolder(made, await ownerOfFolder(dirname(made)))
    await giveAllBelow(made)
    return folder
  } catch (error) {
    throw notMade(folder, error)
  }
}

function notMade(folder: string, cause: unknown): AppError {
  return new AppError('failed', `cannot make the folder ${folder}: ${messageOf(cause)}`, {
    hint:
      systemCode(cause) === 'EROFS'
        ? 'That file system is read-only; "state:" in the configuration names another place.'
        : 'Check that you may write there and that the disk is not full; "state:" in the configuration moves it.',
    cause,
  })
}

/** What can't be proven to be of a process that is gone stays so long after its last sign. */
const OLD_MS = 24 * 60 * 60_000
const SIGN_MS = 60 * 60_000

export interface ScratchFolder {
  /** Absolute, if that of its parent is. */
  readonly path: string
  /** With all that is in it. */
  remove(): Promise<void>
}

/** A new folder in `parent`, named after this process; those of processes that are gone are removed. */
export async function makeScratchFolder(parent: string): Promise<ScratchFolder> {
  await privateFolder(parent)
  const own = join(parent, `${ownerName()}-`)
  try {
    await removeAbandoned(parent)
    const path = await mkdtemp(own)
    const timer = keepYoung(path)
    const remove = async (): Promise<void> => {
      clearInterval(timer)
      await rm(path, { recursive: true, force: true })
    }
    return { path, remove }
  } catch (error) {
    throw notMade(own, error)
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  let now: number | undefined
  for (const name of await readdir(parent)) {
    const path = join(parent, name)
    const life = lifeOfNamed(name)
    if (life === 'living' || life === undefined) continue
    if (life !== 'gone') {
      now ??= await fileSystemNow(parent)
      const found = await stat(path).catch(() => undefined)
      if (found === undefined || now - found.mtimeMs < OLD_MS) continue
    }
    await rm(path, { recursive: true, force: true })
  }
}

/** A process that runs for days in another container must not look like one that left the folder behind. */
function keepYoung(folder: string): NodeJS.Timeout {
  const timer = setInterval(() => {
    fileSystemNow(folder).catch(() => clearInterval(timer))
  }, SIGN_MS).unref()
  return timer
}
