import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'

const FILE = 'packs-listed'
const DAY_MS = 24 * 60 * 60_000

export interface PackLooksOptions {
  /** The repository's own cache folder; undefined: nothing is known of earlier looks. */
  readonly cacheDir: string | undefined
  readonly isFar: boolean
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
}

/**
 * When a writing lists all packs, to see that what the index names is there. It is a precaution: only prune deletes packs,
 * and from it the lock protects. On a disk each writing takes it. Far away it is a request for each thousand packs, and
 * taken once a day.
 */
export class PackLooks {
  readonly #options: PackLooksOptions

  constructor(options: PackLooksOptions) {
    this.#options = options
  }

  async isDue(): Promise<boolean> {
    const { isFar, cacheDir, clock } = this.#options
    if (!isFar || cacheDir === undefined) return true
    const text = await readFile(join(cacheDir, FILE), 'utf8').catch(() => '')
    const ageMs = clock.now().getTime() - Date.parse(text)
    // A time in the future is of a clock that was wrong; NaN fits nowhere.
    return !(ageMs >= 0 && ageMs < DAY_MS)
  }

  /** All were there. */
  async remember(): Promise<void> {
    const { isFar, cacheDir, clock, random } = this.#options
    if (!isFar || cacheDir === undefined) return
    const file = join(cacheDir, FILE)
    const temporary = `${file}.${random.bytes(6).toString('hex')}.tmp`
    try {
      await makeFolders(cacheDir, 0o700)
      await writeFile(temporary, clock.now().toISOString(), { mode: 0o600, flag: 'wx' })
      await rename(temporary, file)
    } catch {
      // Then the next writing looks again.
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}
