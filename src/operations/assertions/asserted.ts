import type { CommandPlace } from '../../base/user-command.ts'

export interface AssertionContext {
  readonly signal: AbortSignal
  /** Where programs run. */
  readonly place: CommandPlace
}

/** What looking found; `passed` says whether it is what was expected. */
export interface Asserted {
  readonly passed: boolean
  readonly expected: string
  readonly found: string
}
