import { appendFile, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * A key-value store as simple as they come: a journal of puts and deletes. It has no rename, no transaction and no second
 * copy of itself: like many a store behind an API, it can only be written to key by key.
 */
export class Shelf {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async put(key: string, value: string): Promise<void> {
    await this.#write({ key, value })
  }

  async delete(key: string): Promise<void> {
    await this.#write({ key })
  }

  /** Undefined where there is no store. */
  async read(): Promise<Map<string, string> | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      return undefined
    })
    if (text === undefined) return undefined
    const found = new Map<string, string>()
    for (const line of text.split('\n').filter(each => each !== '')) {
      const { key, value } = JSON.parse(line) as { readonly key: string; readonly value?: string }
      if (value === undefined) found.delete(key)
      else found.set(key, value)
    }
    return found
  }

  /** Makes an empty one where there is none. */
  async create(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
    await appendFile(this.#path, '')
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
  }

  async #write(line: object): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify(line)}\n`)
  }
}
