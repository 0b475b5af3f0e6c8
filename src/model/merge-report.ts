import type { LeftTable, SchemaDifference } from './merge-plan.ts'
import type { ConflictRule } from './merge-rules.ts'

/** Why a row of the backup was not added, or (the last two) did not replace the one that is there. */
export const MERGE_REASONS = [
  'parent-nowhere',
  'parent-skipped',
  'parents-disagree',
  'parents-in-a-circle',
  'must-not-be-null',
  'unique-value-taken',
  'kept-parent-nowhere',
  'kept-unique-value-taken',
] as const
export type MergeReason = (typeof MERGE_REASONS)[number]

/** The counts are of rows of the backup, but for those that say otherwise. */
export interface MergedTable {
  readonly table: string
  /** The columns that said which rows are the same. */
  readonly key: readonly string[]
  readonly onConflict: ConflictRule
  readonly rows: number
  readonly added: number
  /** There already, by their key. */
  readonly matched: number
  /** Of the matched: with other values than those that are there, which stay. */
  readonly different: number
  /** Of the matched: rows of the target that took the backup's values. */
  readonly updated: number
  /** Of the added and matched: those that are under another id now than in the backup; what refers to them follows. */
  readonly remapped: number
  readonly skipped: number
  readonly reasons: readonly MergedReason[]
}

export interface MergedReason {
  readonly why: MergeReason
  readonly rows: number
  /** Keys of the first few, `email=ada@example.com`. */
  readonly examples: readonly string[]
}

/** `rows`: of the backup; for `not-readable` those that are not here. Undefined where they were not counted. */
export interface UnmergedTable extends LeftTable {
  readonly rows: number | undefined
}

/** What a merge did, or with `dryRun` would do. */
export interface MergeReport {
  /** Where to: a path, or a URL without its password. */
  readonly target: string
  readonly dryRun: boolean
  /** Any row was added or changed. */
  readonly changed: boolean
  readonly tables: readonly MergedTable[]
  readonly left: readonly UnmergedTable[]
  readonly differences: readonly SchemaDifference[]
}
