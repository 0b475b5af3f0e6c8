/** What the user says must hold of restored data, beside what is checked anyway. */
export type Assertion = SqlAssertion | CommandAssertion | HttpAssertion | FileAssertion

interface AssertionBase {
  /** What it is called in reports; default: what it does. */
  readonly name?: string | undefined
}

interface TimedAssertion extends AssertionBase {
  readonly timeoutMs: number
}

/** A statement that gives one value, and what that must be. Where several rules are given, all hold. */
export interface SqlAssertion extends TimedAssertion {
  readonly sql: string
  /** Of a server with several: which to ask. */
  readonly database?: string | undefined
  readonly equals?: string | number | boolean | null | undefined
  readonly atLeast?: number | undefined
  readonly atMost?: number | undefined
  /** A regular expression. */
  readonly matches?: string | undefined
}

/** A program and its arguments; it passes with exit code 0. */
export interface CommandAssertion extends TimedAssertion {
  readonly command: readonly string[]
  /** Variables of our environment that it gets too. */
  readonly environment?: readonly string[] | undefined
}

export interface HttpAssertion extends TimedAssertion {
  readonly http: string
  readonly status: number
  readonly contains?: string | undefined
}

/** A file or folder that must be there. */
export interface FileAssertion extends AssertionBase {
  /** Relative to the source's folder. */
  readonly exists: string
  readonly sha256?: string | undefined
  readonly minBytes?: number | undefined
}
