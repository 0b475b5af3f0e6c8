import { HttpFailure } from '../http/index.ts'

/**
 * Holds a listing to what every service promises: objects that were asked for, ordered by the bytes of their keys, pages
 * that come once. A server that lies must not hide objects, or list for ever.
 */
export class ListingGuard {
  readonly #prefix: string
  readonly #tokens = new Set<string>()
  #last: Buffer | undefined

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  requireNext(key: string): void {
    const bytes = Buffer.from(key)
    if (!key.startsWith(this.#prefix)) throw new HttpFailure('malformed', 'a listing names what was not asked for')
    if (this.#last && bytes.compare(this.#last) <= 0) throw new HttpFailure('malformed', 'a listing goes back')
    this.#last = bytes
  }

  requireNewPage(token: string): void {
    if (this.#tokens.has(token)) throw new HttpFailure('malformed', 'a listing goes round in a circle')
    this.#tokens.add(token)
  }
}
