import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** How long a note that a file is stored is believed. PostgreSQL asks again at once, or after a minute. */
const NOTE_LIFE_MS = 10 * 60_000

const FETCHED = 'fetched-'

/**
 * A folder for what was done ahead of being asked: notes that log files are stored already, and log files fetched
 * before PostgreSQL wants them. All of it may be lost at any time.
 */
export class WalSpool {
  readonly #folder: string
  #boot: Promise<string | undefined> | undefined

  constructor(folder: string, systemIdentifier: string) {
    this.#folder = join(folder, systemIdentifier)
  }

  /** Was this very file stored at `place`, a moment ago? The note is used up by asking. */
  async takeNote(path: string, name: string, place: string, now: Date): Promise<boolean> {
    const file = join(this.#folder, 'pushed', name)
    try {
      const [text, noted] = await Promise.all([readFile(file, 'utf8'), stat(file)])
      await rm(file, { force: true })
      const isFresh = Math.abs(now.getTime() - noted.mtimeMs) < NOTE_LIFE_MS
      return isFresh && text === (await noteOf(path, place))
    } catch {
      // No note, or none that can be believed: then the file is stored once more, which is always right.
      return false
    }
  }

  async leaveNote(path: string, name: string, place: string): Promise<void> {
    await this.#write(join(this.#folder, 'pushed'), name, Buffer.from(await noteOf(path, place)), false)
  }

  /** Moves a file that was fetched ahead to where it is wanted. False when there is none. */
  async take(name: string, destination: string): Promise<boolean> {
    try {
      await rename(join(await this.fetchedFolder(), name), destination)
      return true
    } catch {
      // Not there, or on another file system: then it comes from the repository.
      return false
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const isSynced = (await this.#bootId()) === undefined
    await this.#write(await this.fetchedFolder(), name, bytes, isSynced)
  }

  async has(name: string): Promise<boolean> {
    return await stat(join(await this.fetchedFolder(), name)).then(
      () => true,
      () => false,
    )
  }

  /** Removes what was fetched ahead and is not among these names: recovery went another way. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    const current = await this.fetchedFolder()
    for (const entry of await readdir(this.#folder).catch(() => [])) {
      const folder = join(this.#folder, entry)
      if (entry.startsWith(FETCHED) && folder !== current) await rm(folder, { recursive: true, force: true })
    }
    for (const name of await readdir(current).catch(() => [])) {
      if (!names.has(name)) await rm(join(current, name), { force: true })
    }
  }

  /**
   * Where files that were fetched ahead lie, each under PostgreSQL's name: who moves one away has it.
   *
   * After a crash of the machine a file that only looks whole would end recovery early, without a word. So files count
   * for one boot only: syncing each would cost more than fetching it.
   */
  async fetchedFolder(): Promise<string> {
    return join(this.#folder, FETCHED + ((await this.#bootId()) ?? 'synced'))
  }

  #bootId(): Promise<string | undefined> {
    this.#boot ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
      text => text.trim(),
      () => undefined,
    )
    return this.#boot
  }

  async #write(folder: string, name: string, bytes: Uint8Array, isSynced: boolean): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const temporary = join(folder, `.${name}.${process.pid}`)
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(bytes)
      if (isSynced) await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(folder, name))
  }
}

/** Of a file's state: PostgreSQL does not touch a file that it wants archived. */
async function noteOf(path: string, place: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true })
  return `${place} ${ino} ${size} ${mtimeNs}\n`
}
