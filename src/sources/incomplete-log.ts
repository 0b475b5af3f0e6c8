import { type Incomplete, LISTED_NOT_CAPTURED, type NotCaptured } from '../model/incomplete.ts'

/** Collects what a capture could not take: the first ones by name, the others only by their number. */
export class IncompleteLog {
  readonly #listed = new Map<string, NotCaptured>()
  #unlisted = 0

  /** What is said of a path again replaces what was said, unless that was that it is absent. */
  add(entry: NotCaptured): void {
    const before = this.#listed.get(entry.path)
    if (before === undefined && this.#listed.size >= LISTED_NOT_CAPTURED) this.#unlisted += 1
    else if (before?.absent !== true) this.#listed.set(entry.path, entry)
  }

  /** Undefined: nothing was added. */
  get(): Incomplete | undefined {
    const count = this.#listed.size + this.#unlisted
    return count === 0 ? undefined : { count, entries: [...this.#listed.values()] }
  }
}
