import type { Finding } from '../../../model/finding.ts'
import type { PlannedColumn } from '../../../model/masking/plan.ts'

/** Where a statement of the copy failed. */
export interface MaskFailure {
  /** The table that was filled, or whose index was made. */
  readonly table: string
  /** The index, where it was one. */
  readonly index: string | undefined
  /** The column whose SQL can't be run. */
  readonly column: string | undefined
  /** SQLite's word. */
  readonly message: string
  readonly sqliteCode: number | undefined
}

/** What a copy was made without, because only the application could have made it; findings say so. */
export interface Lacks {
  readonly rowsOf: readonly string[]
  readonly indexes: boolean
}

export type CopyOutcome =
  | { readonly counts: readonly number[]; readonly findings: readonly Finding[]; readonly lacks: Lacks }
  | { readonly failure: MaskFailure }

export interface CopyRequest {
  readonly plan: readonly PlannedColumn[]
  readonly seed: string
  /** Name of the mask file, for hints. */
  readonly file: string
}
