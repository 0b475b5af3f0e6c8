import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf, systemCode } from './errors.ts'

/** Makes a folder, with those above it, that only its owner can reach. One that is there is left as it is. */
export async function privateFolder(folder: string): Promise<string> {
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    // The umask may have taken more than it should; never touch a folder that was there.
    if (made !== undefined) await chmod(folder, 0o700)
    return folder
  } catch (error) {
    throw notMade(folder, error)
  }
}

function notMade(folder: string, cause: unknown): AppError {
  return new AppError('failed', `cannot make the folder ${folder}: ${messageOf(cause)}`, {
    hint: 'Check that you may write there and that the disk is not full; "state:" in the configuration moves it.',
    cause,
  })
}

/** A new folder in `parent`, named after this process; those of processes that are gone are removed. */
export async function makeScratchFolder(parent: string): Promise<string> {
  await privateFolder(parent)
  const own = join(parent, `${process.pid}-`)
  try {
    await removeAbandoned(parent)
    return await mkdtemp(own)
  } catch (error) {
    throw notMade(own, error)
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1])
    if (pid > 0 && !isRunning(pid)) await rm(join(parent, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}
