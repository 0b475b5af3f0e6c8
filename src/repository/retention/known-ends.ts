import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'

const FILE = 'lock-ends.json'

/** What is remembered of a repository's locks. */
export interface KnownEnds {
  /** When each object's lock ends, by key, in seconds since 1970. */
  readonly ends: Map<string, number>
  /** When the logs were listed last, in seconds since 1970. */
  logsListedAt: number
}

/**
 * When locks end, so that nobody has to be asked. A lock never ends earlier than it once did: what is remembered here may
 * be too early, never too late. Without it every object is asked for once.
 */
export class KnownEndsFile {
  readonly #cacheDir: string | undefined
  readonly #random: Random

  /** @param cacheDir the repository's own cache folder; undefined remembers nothing */
  constructor(cacheDir: string | undefined, random: Random) {
    this.#cacheDir = cacheDir
    this.#random = random
  }

  async load(): Promise<KnownEnds> {
    const nothing = { ends: new Map<string, number>(), logsListedAt: 0 }
    if (this.#cacheDir === undefined) return nothing
    try {
      const { ends, logsListedAt } = JSON.parse(await readFile(join(this.#cacheDir, FILE), 'utf8'))
      const entries = Object.entries(ends).filter((entry): entry is [string, number] => Number.isFinite(entry[1]))
      return { ends: new Map(entries), logsListedAt: Number.isFinite(logsListedAt) ? logsListedAt : 0 }
    } catch {
      // Missing, cut or changed: it is only a cache.
      return nothing
    }
  }

  async save({ ends, logsListedAt }: KnownEnds): Promise<void> {
    if (this.#cacheDir === undefined) return
    const file = join(this.#cacheDir, FILE)
    const temporary = `${file}.${this.#random.bytes(6).toString('hex')}.tmp`
    try {
      await makeFolders(this.#cacheDir, 0o700)
      await writeFile(temporary, JSON.stringify({ logsListedAt, ends: Object.fromEntries(ends) }), { mode: 0o600 })
      await rename(temporary, file)
    } catch {
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}
