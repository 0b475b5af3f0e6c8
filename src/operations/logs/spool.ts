import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import { fileState } from './note-place.ts'

/** How long a note that a file is stored is believed. Servers ask again at once, or after a minute. */
const NOTE_LIFE_S = 600

const FETCHED = 'fetched-'
const PLACE = '.place'

/**
 * A folder for what was done ahead of being asked: notes that log files are stored already, and log files fetched
 * before a recovery wants them. All of it may be lost at any time. `bin/lifeboat` reads it too, without starting Node:
 *
 *     pushed/NAME          boot id, seconds since the boot, the two lines of `place`, the file's state; a line each
 *     fetched-BOOT/NAME    a log file
 *     fetched-BOOT/.place  the two lines of `place`
 */
export class LogSpool {
  readonly #folder: string
  readonly #place: string

  /**
   * @param log its id
   * @param place what it is good for, see `notePlace`; with another place nothing in it is believed
   */
  constructor(folder: string, log: string, place: string) {
    this.#folder = join(folder, log)
    this.#place = place
  }

  /** Was this very file stored, as this place wants it, a moment ago? The note is used up by asking. */
  async takeNote(path: string, name: string): Promise<boolean> {
    const file = join(this.#folder, 'pushed', name)
    try {
      const [boot, notedAt, ...noted] = (await readFile(file, 'utf8')).split('\n')
      await rm(file)
      const isFresh = boot === (await bootId()) && (await uptimeSeconds()) - Number(notedAt) < NOTE_LIFE_S
      return isFresh && noted.join('\n') === `${this.#place}\n${await fileState(path)}\n`
    } catch {
      // No note, or none that can be believed: then the file is stored once more, which is always right.
      return false
    }
  }

  /** `state`: the file's (`fileState`) before it was read. */
  async leaveNote(name: string, state: string): Promise<void> {
    const boot = await bootId()
    if (boot === undefined) return
    const text = `${boot}\n${await uptimeSeconds()}\n${this.#place}\n${state}\n`
    await this.#write(join(this.#folder, 'pushed'), name, Buffer.from(text), false)
  }

  /** Moves a file that was fetched ahead to where it is wanted. False when there is none. */
  async take(name: string, destination: string): Promise<boolean> {
    try {
      const folder = await this.#fetched()
      if ((await readFile(join(folder, PLACE), 'utf8')) !== `${this.#place}\n`) return false
      await rename(join(folder, name), destination)
      return true
    } catch {
      // Not there, or on another file system: then it comes from the repository.
      return false
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const isSynced = (await bootId()) === undefined
    await this.#write(await this.#fetched(), name, bytes, isSynced)
  }

  async has(name: string): Promise<boolean> {
    return await stat(join(await this.#fetched(), name)).then(
      () => true,
      () => false,
    )
  }

  /** Before files are put: removes what was fetched ahead and is not among these names, or not of this place. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    const current = await this.#fetched()
    for (const entry of await readdir(this.#folder).catch(() => [])) {
      const folder = join(this.#folder, entry)
      if (entry.startsWith(FETCHED) && folder !== current) await rm(folder, { recursive: true, force: true })
    }
    const isOurs = (await readFile(join(current, PLACE), 'utf8').catch(() => '')) === `${this.#place}\n`
    for (const name of await readdir(current).catch(() => [])) {
      if (name !== PLACE && !(isOurs && names.has(name))) await rm(join(current, name), { force: true })
    }
    if (!isOurs) await this.#write(current, PLACE, Buffer.from(`${this.#place}\n`), false)
  }

  #fetched(): Promise<string> {
    return fetchedFolder(dirname(this.#folder), basename(this.#folder))
  }

  async #write(folder: string, name: string, bytes: Uint8Array, isSynced: boolean): Promise<void> {
    await makeFolders(folder, 0o700)
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

/**
 * Where files that were fetched ahead lie, each under its own name: who moves one away has it.
 *
 * After a crash of the machine a file that only looks whole would end recovery early, without a word. So files count
 * for one boot only: syncing each would cost more than fetching it.
 */
export async function fetchedFolder(folder: string, log: string): Promise<string> {
  return join(folder, log, FETCHED + ((await bootId()) ?? 'synced'))
}

async function bootId(): Promise<string | undefined> {
  return await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    text => text.trim(),
    () => undefined,
  )
}

async function uptimeSeconds(): Promise<number> {
  return Number.parseInt(await readFile('/proc/uptime', 'utf8'), 10)
}
