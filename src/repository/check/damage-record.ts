import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import type { BadPlaces } from './bad-places.ts'

const FILE = 'bad-places.json'
const PACK = /^[0-9a-f]{64}$/
const COPY = /^[0-9a-f]{64} (data|tree) [0-9a-f]{64}$/

/**
 * What checks and reads of this machine found to be bad, so that the next backup does not rely on it. Without it a
 * backup would take a damaged blob for stored, as the index still names it.
 */
export class DamageRecord {
  readonly #cacheDir: string | undefined
  readonly #random: Random
  /** Found by this process: the cache may be one that cannot be written. */
  #found = none()
  /** Ends when all that was begun is written. */
  #writing: Promise<void> = Promise.resolve()

  /** @param cacheDir the repository's own cache folder; undefined remembers only while this lives */
  constructor(cacheDir: string | undefined, random: Random) {
    this.#cacheDir = cacheDir
    this.#random = random
  }

  async load(): Promise<BadPlaces> {
    await this.#writing
    return union(await this.#read(), this.#found)
  }

  /** @param complete everything was looked at: what was known before is settled */
  async add(found: BadPlaces, complete: boolean): Promise<void> {
    this.#writing = this.#addAfter(this.#writing, found, complete)
    await this.#writing
  }

  /** These packs were mended, or are gone. */
  async settle(packs: ReadonlySet<Id>): Promise<void> {
    const left = ({ packs: bad, copies, hurt }: BadPlaces): BadPlaces => ({
      packs: new Set([...bad].filter(pack => !packs.has(pack))),
      hurt: new Set([...hurt].filter(pack => !packs.has(pack))),
      copies: new Set([...copies].filter(copy => !packs.has(copy.slice(0, 64)))),
    })
    await this.add(left(await this.load()), true)
  }

  async #addAfter(earlier: Promise<void>, found: BadPlaces, complete: boolean): Promise<void> {
    await earlier
    this.#found = complete ? found : union(this.#found, found)
    // Another process may have added to it.
    await this.#write(complete ? found : union(await this.#read(), found))
  }

  async #read(): Promise<BadPlaces> {
    try {
      if (this.#cacheDir === undefined) return none()
      const { packs, copies, hurt } = JSON.parse(await readFile(join(this.#cacheDir, FILE), 'utf8'))
      return {
        packs: new Set(textsLike(PACK, packs)),
        copies: new Set(textsLike(COPY, copies)),
        hurt: new Set(textsLike(PACK, hurt)),
      }
    } catch {
      return none()
    }
  }

  // A cache that cannot be written: the next check or read finds the same again.
  async #write({ packs, copies, hurt }: BadPlaces): Promise<void> {
    if (this.#cacheDir === undefined) return
    const file = join(this.#cacheDir, FILE)
    if (packs.size === 0 && copies.size === 0 && hurt.size === 0) return rm(file, { force: true }).catch(() => {})
    const temporary = `${file}.${this.#random.bytes(6).toString('hex')}.tmp`
    try {
      await makeFolders(this.#cacheDir, 0o700)
      await writeFile(temporary, JSON.stringify({ packs: [...packs], copies: [...copies], hurt: [...hurt] }), {
        mode: 0o600,
      })
      await rename(temporary, file)
    } catch {
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}

const none = (): BadPlaces => ({ packs: new Set(), copies: new Set(), hurt: new Set() })

function union(one: BadPlaces, other: BadPlaces): BadPlaces {
  return {
    packs: new Set([...one.packs, ...other.packs]),
    copies: new Set([...one.copies, ...other.copies]),
    hurt: new Set([...one.hurt, ...other.hurt]),
  }
}

function textsLike(shape: RegExp, value: unknown): string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string' && shape.test(one)) : []
}
