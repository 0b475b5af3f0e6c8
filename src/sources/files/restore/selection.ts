/** Which paths of a snapshot a restore is to bring back. */
export class Selection {
  readonly #wanted: readonly string[]
  readonly #found = new Set<string>()

  /** Paths as people write them: `/a/b/`, `./a/b` and `a/b` are the same. None means everything. */
  constructor(include: readonly string[]) {
    const wanted = include.map(path =>
      path
        .split('/')
        .filter(part => part !== '' && part !== '.')
        .join('/'),
    )
    this.#wanted = wanted.includes('') ? [] : wanted
  }

  get isWhole(): boolean {
    return this.#wanted.length === 0
  }

  /** Is it wanted itself, or below something wanted? */
  has(path: string): boolean {
    if (this.isWhole) return true
    let selected = false
    for (const wanted of this.#wanted) {
      if (path !== wanted && !path.startsWith(`${wanted}/`)) continue
      this.#found.add(wanted)
      selected = true
    }
    return selected
  }

  /** What was asked for and `has` never came across. */
  missing(): string[] {
    return this.#wanted.filter(wanted => !this.#found.has(wanted))
  }
}
