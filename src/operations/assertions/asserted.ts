export interface AssertionContext {
  readonly signal: AbortSignal
  /** For commands; ours without what is meant for us alone. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What looking found; `passed` says whether it is what was expected. */
export interface Asserted {
  readonly passed: boolean
  readonly expected: string
  readonly found: string
}
