import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/** How long a note that a file is stored is believed. PostgreSQL asks again at once, or after a minute. */
const NOTE_LIFE_MS = 10 * 60_000

const note = z.object({ store: z.string(), ino: z.string(), sizeBytes: z.number(), mtimeNs: z.string() })

/**
 * A folder for what was done ahead of being asked: notes that log files are stored already, and log files fetched
 * before PostgreSQL wants them. All of it may be lost at any time.
 */
export class WalSpool {
  readonly #folder: string

  constructor(folder: string, systemIdentifier: string) {
    this.#folder = join(folder, systemIdentifier)
  }

  /** Was this very file stored there, a moment ago? The note is used up by asking. */
  async takeNote(path: string, name: string, store: string, now: Date): Promise<boolean> {
    const file = join(this.#folder, 'pushed', name)
    try {
      const [text, noted, there] = [await readFile(file, 'utf8'), await stat(file), await fingerprint(path)]
      await rm(file, { force: true })
      const found = note.parse(JSON.parse(text))
      const fresh = Math.abs(now.getTime() - noted.mtimeMs) < NOTE_LIFE_MS
      return fresh && JSON.stringify(found) === JSON.stringify({ store, ...there })
    } catch {
      // No note, or none that can be believed: then the file is stored once more, which is always right.
      return false
    }
  }

  async leaveNote(path: string, name: string, store: string): Promise<void> {
    const content = JSON.stringify({ store, ...(await fingerprint(path)) })
    await this.#write(join(this.#folder, 'pushed'), name, Buffer.from(content))
  }

  /** Moves a file that was fetched ahead to where it is wanted. False when there is none. */
  async take(name: string, destination: string): Promise<boolean> {
    try {
      await rename(join(this.#folder, 'fetched', name), destination)
      return true
    } catch {
      // Not there, or on another file system: then it comes from the repository.
      return false
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#write(join(this.#folder, 'fetched'), name, bytes)
  }

  async has(name: string): Promise<boolean> {
    return await stat(join(this.#folder, 'fetched', name)).then(
      () => true,
      () => false,
    )
  }

  /** Removes what was fetched ahead and is not among these names: recovery went another way. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    const folder = join(this.#folder, 'fetched')
    for (const name of await readdir(folder).catch(() => [])) {
      if (!names.has(name)) await rm(join(folder, name), { force: true })
    }
  }

  async #write(folder: string, name: string, bytes: Uint8Array): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const temporary = join(folder, `.${name}.${process.pid}`)
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(bytes)
      // After a crash of the machine a file that only looks whole would end recovery early, without a word.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(folder, name))
  }
}

async function fingerprint(path: string): Promise<{ ino: string; sizeBytes: number; mtimeNs: string }> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true })
  return { ino: String(ino), sizeBytes: Number(size), mtimeNs: String(mtimeNs) }
}
