import { hash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import { isId } from '../format/file-keys.ts'

/**
 * Which of a far repository's key files the password opened last: it is asked for at once then, without a listing. The key
 * itself is not kept: one that was removed from the repository opens nothing. Not where objects are locked: there all keys
 * have to be known, so that their locks are extended.
 */
export class KeyHint {
  readonly #file: string | undefined
  readonly #random: Random

  /** @param cacheDir that of all repositories */
  constructor(storage: Storage, cacheDir: string | undefined, random: Random) {
    const name = hash('sha256', storage.location).slice(0, 32)
    const isUseful = storage.traits.isFar && storage.retention?.lock === undefined
    this.#file = cacheDir === undefined || !isUseful ? undefined : join(cacheDir, 'keys', name)
    this.#random = random
  }

  async load(): Promise<Id | undefined> {
    if (this.#file === undefined) return undefined
    const text = await readFile(this.#file, 'utf8').catch(() => '')
    return isId(text) ? text : undefined
  }

  async keep(id: Id): Promise<void> {
    if (this.#file === undefined) return
    const temporary = `${this.#file}.${this.#random.bytes(6).toString('hex')}.tmp`
    try {
      await makeFolders(join(this.#file, '..'), 0o700)
      await writeFile(temporary, id, { mode: 0o600, flag: 'wx' })
      await rename(temporary, this.#file)
    } catch {
      // Then the keys are listed again next time.
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}
