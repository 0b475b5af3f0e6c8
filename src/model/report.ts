import type { Finding } from './finding.ts'

/** One check on data: what was expected, what was found. */
export interface CheckOutcome {
  readonly name: string
  readonly passed: boolean
  readonly expected: string
  readonly found: string
}

export const STEP_OUTCOMES = ['done', 'skipped', 'failed'] as const
export type StepOutcome = (typeof STEP_OUTCOMES)[number]

/** One thing that an operation did, in the order it was done. */
export interface ReportStep {
  /** `restored beside the target`, `ran the hook before`, lower case. */
  readonly name: string
  readonly outcome: StepOutcome
  readonly durationMs: number
  readonly rows?: number
  readonly bytes?: number
  /** More to say: what failed, what was left out. */
  readonly note?: string
}

/** Figures side by side: rows per table now and then, what a merge did with each table. */
export interface ReportTable {
  readonly title: string
  readonly columns: ReadonlyArray<{ readonly name: string; readonly align: 'left' | 'right' }>
  readonly rows: ReadonlyArray<readonly string[]>
}

export const REPORT_OUTCOMES = ['planned', 'done', 'incomplete', 'failed', 'rolled-back'] as const
export type ReportOutcome = (typeof REPORT_OUTCOMES)[number]

export interface ReportSubject {
  /** `restore`, `merge`, `undo`, `verify` */
  readonly operation: string
  readonly source: string
  /** Its name in the configuration. */
  readonly repository: string
  /** Id of the snapshot. */
  readonly snapshot: string
}

/** What one run did, or (`planned`) would do: printed as text, written as JSON or as one HTML file. */
export interface Report {
  /** `restore of app` */
  readonly title: string
  readonly outcome: ReportOutcome
  /** What it comes to, as a sentence without full stop: `app is as it was at 02:00`. Default: what the outcome says. */
  readonly verdict?: string
  /** Id of the run. */
  readonly run: string
  /** The same for machines: what was done, with what. */
  readonly about?: ReportSubject
  readonly startedAt: Date
  readonly durationMs: number
  /** Source, recovery point, target, strategy: in the order to show them. Names are unique, lower case. */
  readonly facts: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly steps: readonly ReportStep[]
  readonly checks: readonly CheckOutcome[]
  readonly tables: readonly ReportTable[]
  /** What was left out or is worth knowing. */
  readonly findings: readonly Finding[]
  /** What to type next: above all, how to take it back. */
  readonly next: ReadonlyArray<{ readonly command: string; readonly explains: string }>
}
