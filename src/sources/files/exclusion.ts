import ignore, { type Ignore } from 'ignore'

/** The matcher remembers every path it was asked about; a fresh one now and then keeps that from growing. */
const ASKED_BEFORE_RENEWAL = 20_000

/** Patterns with the meaning of a `.gitignore` at the top of the folder. Case counts. */
export class ExcludePatterns {
  readonly #patterns: readonly string[]
  #matcher: Ignore
  #asked = 0

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
    this.#matcher = this.#renew()
  }

  /** `path` is relative to the folder. What is below an excluded folder is never asked about. */
  excludes(path: string, isDirectory: boolean): boolean {
    if (this.#patterns.length === 0) return false
    if (this.#asked++ >= ASKED_BEFORE_RENEWAL) this.#matcher = this.#renew()
    return this.#matcher.ignores(isDirectory ? `${path}/` : path)
  }

  #renew(): Ignore {
    this.#asked = 0
    return ignore({ ignorecase: false, allowRelativePaths: true }).add([...this.#patterns])
  }
}
