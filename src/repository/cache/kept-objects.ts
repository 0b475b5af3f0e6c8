import { closeSync, fstatSync, openSync, readSync, utimesSync } from 'node:fs'
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'

export interface KeptObjectsOptions {
  /** Made, with 0700, when the first thing is kept. */
  readonly folder: string
  readonly random: Random
  readonly clock: Pick<Clock, 'now'>
  /** Default 512 MiB. */
  readonly maxBytes?: number
}

const MAX_BYTES = 512 * 1024 * 1024
/** What nobody wanted for so long goes. */
const MAX_AGE_MS = 30 * 24 * 60 * 60_000
const DAY_MS = 24 * 60 * 60_000
const TEMPORARY = '.tmp'

/**
 * What a far repository was asked for and will be asked for again, in files that are written once and never changed: any
 * number of processes may use the folder at once. It says nothing about what the repository has, and whoever reads from it
 * checks what comes out; all of it is sealed with the repository's key. What fails here costs time, nothing else.
 */
export class KeptObjects {
  readonly #options: KeptObjectsOptions
  readonly #used = new Set<string>()
  /** Undefined: not swept yet. */
  #sinceSweep: number | undefined

  constructor(options: KeptObjectsOptions) {
    this.#options = options
  }

  /** Undefined: it is not here, or shorter than the range. */
  load(name: string, range?: { readonly offset: number; readonly length: number }): Buffer | undefined {
    let descriptor: number | undefined
    try {
      descriptor = openSync(this.#path(name), 'r')
      const { size, mtimeMs } = fstatSync(descriptor)
      this.#use(name, mtimeMs)
      const { offset, length } = range ?? { offset: 0, length: size }
      const bytes = Buffer.allocUnsafeSlow(length)
      for (let done = 0; done < length; ) {
        const count = readSync(descriptor, bytes, done, length - done, offset + done)
        if (count === 0) return undefined
        done += count
      }
      return bytes
    } catch {
      return undefined
    } finally {
      if (descriptor !== undefined) closeSync(descriptor)
    }
  }

  /** In place of what is there under the name. */
  async keep(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const { folder, random, maxBytes = MAX_BYTES } = this.#options
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    // Not half of all for one.
    if (bytes > maxBytes / 2) return
    const temporary = this.#path(`${name}.${random.bytes(6).toString('hex')}${TEMPORARY}`)
    try {
      await makeFolders(folder, 0o700)
      await writeFile(temporary, parts, { mode: 0o600, flag: 'wx' })
      await rename(temporary, this.#path(name))
    } catch {
      await rm(temporary, { force: true }).catch(() => {})
    }
    const isDue = this.#sinceSweep === undefined || this.#sinceSweep > maxBytes / 8
    this.#sinceSweep = isDue ? 0 : (this.#sinceSweep ?? 0) + bytes
    if (isDue) await this.#sweep()
  }

  /** It is not what it should be. */
  async forget(name: string): Promise<void> {
    await rm(this.#path(name), { force: true }).catch(() => {})
  }

  #path(name: string): string {
    return join(this.#options.folder, name)
  }

  /** Its file's time says when it was last of use, to the day. */
  #use(name: string, mtimeMs: number): void {
    if (this.#used.has(name)) return
    this.#used.add(name)
    const now = this.#options.clock.now()
    if (Math.abs(now.getTime() - mtimeMs) > DAY_MS) utimesSync(this.#path(name), now, now)
  }

  /** The oldest go, so that the rest fits. */
  async #sweep(): Promise<void> {
    try {
      const now = this.#options.clock.now().getTime()
      let left = this.#options.maxBytes ?? MAX_BYTES
      for (const { name, size, mtimeMs } of await this.#youngestFirst()) {
        const ageMs = now - mtimeMs
        left -= size
        if (left < 0 || ageMs > MAX_AGE_MS || (name.endsWith(TEMPORARY) && ageMs > DAY_MS)) await this.forget(name)
      }
    } catch {
      // Gone, or not ours to list.
    }
  }

  async #youngestFirst(): Promise<ReadonlyArray<{ name: string; size: number; mtimeMs: number }>> {
    const found = []
    for (const name of await readdir(this.#options.folder)) {
      const { size, mtimeMs } = await stat(this.#path(name)).catch(() => ({ size: 0, mtimeMs: 0 }))
      found.push({ name, size, mtimeMs })
    }
    return found.sort((a, b) => b.mtimeMs - a.mtimeMs)
  }
}
