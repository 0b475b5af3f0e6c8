import type { App, AppOptions } from '../app/app.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Finding } from '../model/finding.ts'
import type { Report } from '../model/report.ts'
import type { Caller } from '../operations/workspace/run.ts'
import type { Progress } from './progress.ts'
import type { Terminal } from './terminal.ts'
import type { Values } from './values.ts'

/** One command, as help, completion, the reference and the parser need it. `run` imports what it needs. */
export interface Command<Json = unknown> {
  /** `backup`, `key add`. */
  readonly name: string
  /** One line, without a full stop. */
  readonly summary: string
  /** Paragraphs for `--help` and the reference. */
  readonly description?: readonly string[]
  readonly arguments?: readonly ArgumentSpec[]
  readonly options?: readonly OptionSpec[]
  readonly examples: readonly Example[]
  readonly run: (call: Call) => Promise<Output<Json>>
}

/** What shell completion offers for a word. */
export type Words = 'sources' | 'repositories' | 'files' | readonly string[]

export interface ArgumentSpec {
  readonly name: string
  readonly summary: string
  readonly required?: boolean
  readonly variadic?: boolean
  readonly complete?: Words
}

export interface OptionSpec {
  /** As commander reads them: `-n, --dry-run`, `--to <path>`, `--read-data [part]`. */
  readonly flags: string
  readonly summary: string
  /** May be given several times. */
  readonly repeat?: boolean
  readonly choices?: readonly string[]
  readonly complete?: Words
}

export interface Example {
  readonly command: string
  readonly explains: string
}

/** One invocation. */
export interface Call {
  readonly values: Values
  readonly terminal: Terminal
  readonly logger: Logger
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly json: boolean
  /** Reads the configuration; the frame closes it. One a call. */
  openApp(options?: Partial<AppOptions>): Promise<App>
  readonly progress: Progress
  /** Says it at once, on stderr. */
  onFinding(finding: Finding): void
  /** What every operation is called with: shows its progress, and says its findings at once. */
  readonly caller: Caller
  /** What operations have reported until now. */
  readonly reports: readonly Report[]
  /** Every command there is. */
  loadCommands(): Promise<readonly Command[]>
}

/** What a command has to say: `json` for `--json`, `text` for people. */
export interface Output<Json = unknown> {
  /** Undefined only where nobody asked for it. */
  readonly json: Json | undefined
  readonly text: string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>
  /** What could not be done, for people: to stderr, after the text. */
  readonly problems?: string
  /** Default 0. */
  readonly exitCode?: number
  /** What is told of what was done: an error among it never goes with exit code 0. */
  readonly findings?: readonly Finding[] | undefined
}
