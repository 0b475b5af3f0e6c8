import { randomBytes } from 'node:crypto'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncFolder } from './durable.ts'
import { systemCode } from './errors.ts'
import { giveFile, ownerOfFolder } from './folder-owner.ts'
import { addName } from './second-name.ts'

/**
 * Makes a file that was not there: afterwards it is whole and durable, or it is not there. Never overwrites; false when
 * the name is taken.
 */
export async function createNewFile(path: string, content: string, mode: number): Promise<boolean> {
  return writeBeside(path, content, mode, nameIfFree)
}

/** Makes or replaces a file: at every moment it holds the old content or the new one, whole. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  await writeBeside(path, content, mode, async (from, to) => {
    await rename(from, to)
    return true
  })
}

async function writeBeside(
  path: string,
  content: string,
  mode: number,
  moveIn: (from: string, to: string) => Promise<boolean>,
): Promise<boolean> {
  const folder = dirname(path)
  const unfinished = join(folder, `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    const file = await open(unfinished, 'wx', mode)
    try {
      await giveFile(file, { ...(await ownerOfFolder(folder)), groupBits: 0 })
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    if (!(await moveIn(unfinished, path))) return false
  } finally {
    await unlink(unfinished).catch(ignoreMissing)
  }
  await syncFolder(folder)
  return true
}

/** Gives a file another name, unless something has that: then false. A link, unlike a rename, never replaces. */
export async function nameIfFree(from: string, to: string): Promise<boolean> {
  try {
    if (await addName(from, to)) return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
  // Two in the same instant could both win here: the best there is without hard links.
  if (await exists(to)) return false
  await rename(from, to)
  return true
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== 'ENOENT') throw error
}
