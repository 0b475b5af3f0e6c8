import { constants } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import type { z } from 'zod'
import { syncFolder } from '../../base/durable.ts'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../model/restore-marker.ts'

type Path = string | Buffer

const LIMIT_BYTES = 4096
const NOTE = 'A restore into this folder has not finished. Start it again to go on.'

/**
 * What an unfinished restore leaves in the folder that it writes into: a small file of JSON. `shape` says what a kind of
 * source has in it. A marker that somebody else wrote, or changed, is none.
 */
export class Marker<T extends object> {
  readonly #shape: z.ZodType<T>

  constructor(shape: z.ZodType<T>) {
    this.#shape = shape
  }

  /** Undefined: there is none, or none of ours. */
  async read(folder: Path): Promise<T | undefined> {
    try {
      return this.#shape.parse(JSON.parse(await readSmall(entry(folder, RESTORE_MARKER))))
    } catch {
      return undefined
    }
  }

  /** Durable when it returns. One that is there is replaced at once: the folder is never without. */
  async write(folder: Path, content: T): Promise<void> {
    const path = entry(folder, NEW_RESTORE_MARKER)
    await rm(path, { force: true })
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const file = await open(path, flags, 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ ...content, note: NOTE })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(path, entry(folder, RESTORE_MARKER))
    await syncFolder(folder)
  }

  /** The last step of a restore: all else is durable. */
  async remove(folder: Path): Promise<void> {
    await rm(entry(folder, RESTORE_MARKER), { force: true })
    await syncFolder(folder)
  }
}

/** Names of a folder that has nothing in it, but for a marker that never came to be one. */
export function isEmpty(names: readonly string[]): boolean {
  return names.every(name => name === NEW_RESTORE_MARKER)
}

/** Follows no link, waits for no pipe, and reads no more than a marker has. */
async function readSmall(path: Path): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LIMIT_BYTES), 0, LIMIT_BYTES, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

function entry(folder: Path, name: string): Path {
  return typeof folder === 'string' ? `${folder}/${name}` : Buffer.concat([folder, Buffer.from(`/${name}`)])
}
