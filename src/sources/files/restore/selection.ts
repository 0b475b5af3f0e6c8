import { typedForms } from '../../../base/bytes.ts'
import { plainPath } from '../../../model/incomplete.ts'

/** Which paths of a snapshot a restore is to bring back. */
export class Selection {
  readonly #wanted: ReadonlySet<string>
  readonly #found = new Set<string>()

  /** Paths as people write them, see `plainPath` and `typedForms`. None means everything. */
  constructor(include: readonly string[]) {
    const wanted = include.map(plainPath)
    this.#wanted = new Set(wanted.includes('') ? [] : wanted)
  }

  get isWhole(): boolean {
    return this.#wanted.size === 0
  }

  /** Is it wanted itself, or below something wanted? Costs no more where much is wanted. */
  has(path: string): boolean {
    if (this.isWhole) return true
    let selected = false
    for (const form of typedForms(path)) {
      for (let end = form.length; end > 0; end = form.lastIndexOf('/', end - 1)) {
        const wanted = form.slice(0, end)
        if (!this.#wanted.has(wanted)) continue
        this.#found.add(wanted)
        selected = true
      }
    }
    return selected
  }

  /** What was asked for and `has` never came across. */
  missing(): string[] {
    return [...this.#wanted].filter(wanted => !this.#found.has(wanted))
  }
}
