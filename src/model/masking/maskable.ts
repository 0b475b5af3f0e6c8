import type { MaskRule } from './rules.ts'

/**
 * What a column holds, as far as masks care. `any`: whatever a row brings (SQLite). `network`: addresses that the engine
 * checks. `other`: nothing that we know to write (JSON, arrays, ranges).
 */
export type ValueType =
  | 'text'
  | 'integer'
  | 'decimal'
  | 'boolean'
  | 'date'
  | 'uuid'
  | 'bytes'
  | 'network'
  | 'any'
  | 'other'

export interface MaskableColumn {
  readonly name: string
  readonly type: ValueType
  /** As the engine calls it, for errors. */
  readonly typeName: string
  /** Longest text that it takes; undefined where there is no limit. */
  readonly maxChars: number | undefined
  readonly notNull: boolean
  /** Computed from other columns. */
  readonly generated: boolean
  readonly caseInsensitive: boolean
}

export interface MaskableTable {
  /** Its name, with the schema where the engine has them: `users`, `public.users`. */
  readonly key: string
  readonly schema: string | undefined
  readonly name: string
  readonly columns: readonly MaskableColumn[]
  readonly unique: ReadonlyArray<{ readonly name: string; readonly columns: readonly string[] }>
  readonly foreignKeys: readonly MaskableForeignKey[]
  /** Keys of the tables whose columns and rows it shares: what it is a partition or a child of. */
  readonly parents: readonly string[]
}

export interface MaskableForeignKey {
  readonly name: string
  readonly columns: readonly string[]
  /** Key of the table that is referred to. */
  readonly table: string
  readonly refColumns: readonly string[]
}

/** What a rule is given to before domains are known. */
export interface RuledColumn {
  readonly table: MaskableTable
  readonly column: MaskableColumn
  readonly rule: MaskRule
  readonly at: string
  readonly follows?: string | undefined
}

export interface PlanProblem {
  readonly at: string
  readonly message: string
}
