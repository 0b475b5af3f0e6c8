import { ListingGuard } from './listing-guard.ts'

/** Puts together what pages tell of one key, whose versions may go on with the next page. */
export class VersionGroups<Entry extends { readonly key: string }> {
  readonly #guard: ListingGuard
  #group: Entry[] = []

  constructor(prefix: string) {
    this.#guard = new ListingGuard(prefix)
  }

  /** The keys that are complete with this page; a page may come in any order within. */
  *take(page: readonly Entry[]): Generator<Entry[]> {
    for (const entry of page.toSorted((a, b) => Buffer.from(a.key).compare(Buffer.from(b.key)))) {
      if (entry.key !== this.#group[0]?.key) {
        this.#guard.requireNext(entry.key)
        yield* this.end()
      }
      this.#group.push(entry)
    }
  }

  *end(): Generator<Entry[]> {
    if (this.#group.length > 0) yield this.#group
    this.#group = []
  }

  requireNewPage(token: string): void {
    this.#guard.requireNewPage(token)
  }
}
