import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import type { ReadCoverage } from '../contract/maintenance.ts'

export interface PackToRead {
  readonly id: Id
  readonly sizeBytes: number
}

const FILE = 'packs-read'
const MAGIC = 'LBREAD1\n'
/** The first eight bytes of a pack's id, and seconds since the epoch. */
const ENTRY_BYTES = 12
const PREFIX_DIGITS = 16

/**
 * When this machine last read each pack and found it sound. Nothing but the order of reading follows from it, so a file that
 * is lost, old or forged costs some reading twice. 12 bytes a pack.
 */
export class ReadMemory {
  readonly #cacheDir: string | undefined
  readonly #random: Random
  #seconds = new Map<string, number>()

  /** @param cacheDir the repository's own cache folder; undefined remembers only while this lives */
  constructor(cacheDir: string | undefined, random: Random) {
    this.#cacheDir = cacheDir
    this.#random = random
  }

  /** What another process has written since is taken in. */
  async load(): Promise<void> {
    if (this.#cacheDir === undefined) return
    const bytes = await readFile(join(this.#cacheDir, FILE)).catch(() => Buffer.alloc(0))
    if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return
    for (let at = MAGIC.length; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
      const prefix = bytes.toString('hex', at, at + PREFIX_DIGITS / 2)
      const seconds = bytes.readUInt32LE(at + PREFIX_DIGITS / 2)
      if (seconds > (this.#seconds.get(prefix) ?? 0)) this.#seconds.set(prefix, seconds)
    }
  }

  readAt(pack: Id): Date | undefined {
    const seconds = this.#seconds.get(pack.slice(0, PREFIX_DIGITS))
    return seconds === undefined ? undefined : new Date(seconds * 1000)
  }

  /** It was read, and every byte of it is right. */
  noteSound(pack: Id, at: Date): void {
    this.#seconds.set(pack.slice(0, PREFIX_DIGITS), Math.floor(at.getTime() / 1000))
  }

  /** It is not sound: to be read again next time. */
  forget(pack: Id): void {
    this.#seconds.delete(pack.slice(0, PREFIX_DIGITS))
  }

  /** How much of these packs was read, and how long ago. */
  coverage(packs: Iterable<PackToRead>): ReadCoverage {
    let [totalBytes, readBytes] = [0, 0]
    let [packsRead, packsNeverRead] = [0, 0]
    let oldest: Date | undefined
    for (const { id, sizeBytes } of packs) {
      totalBytes += sizeBytes
      const at = this.readAt(id)
      if (at === undefined) {
        packsNeverRead++
        continue
      }
      packsRead++
      readBytes += sizeBytes
      if (oldest === undefined || at < oldest) oldest = at
    }
    return { packsRead, packsNeverRead, readBytes, totalBytes, oldestReadAt: oldest }
  }

  /** Of these packs alone: those that are gone are forgotten. */
  async save(packs: Iterable<Id>): Promise<void> {
    const kept = new Map<string, number>()
    for (const pack of packs) {
      const prefix = pack.slice(0, PREFIX_DIGITS)
      const seconds = this.#seconds.get(prefix)
      if (seconds !== undefined) kept.set(prefix, seconds)
    }
    this.#seconds = kept
    if (this.#cacheDir === undefined) return
    const temporary = join(this.#cacheDir, `${FILE}.${this.#random.bytes(6).toString('hex')}.tmp`)
    try {
      await makeFolders(this.#cacheDir, 0o700)
      await writeFile(temporary, format(kept), { mode: 0o600 })
      await rename(temporary, join(this.#cacheDir, FILE))
    } catch {
      // Where nothing can be kept, each check begins anew.
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}

function format(seconds: ReadonlyMap<string, number>): Buffer {
  const out = Buffer.alloc(MAGIC.length + seconds.size * ENTRY_BYTES)
  let at = out.write(MAGIC, 'latin1')
  for (const [prefix, value] of seconds) {
    at += out.write(prefix, at, 'hex')
    at = out.writeUInt32LE(value, at)
  }
  return out
}
