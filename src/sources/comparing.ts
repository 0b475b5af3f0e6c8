import type { ComparedTable } from '../model/row-comparison.ts'
import type { SourceContext } from './context.ts'
import type { SnapshotReader } from './snapshot-reader.ts'

/**
 * A source whose rows can be compared between two moments. Each side is read as of one instant, and neither is changed or
 * kept from being written. Values are the same if the engine stores them the same: 1 is not 1.0, '' is not NULL. Memory
 * does not grow with the tables or with the number of rows that differ.
 */
export interface Comparing {
  /**
   * All tables of both sides by name. One that can't be read has a `problem`. Throws `unsupported` for a snapshot that
   * holds no rows, `source-unreachable`, ...
   */
  compare(request: ComparingRequest): Promise<readonly ComparedTable[]>
}

export interface ComparingRequest extends SourceContext {
  readonly before: ComparedSide
  readonly after: ComparedSide
  /** Of snapshots of several databases: only these. */
  readonly databases?: readonly string[] | undefined
  /** Which tables, by the names of `ComparedTable`. Default: all. */
  readonly selects?: ((table: string) => boolean) | undefined
  /** List rows that differ: at most so many of each table and kind of change. */
  readonly listRows?: number | undefined
  readonly onTable?: ((table: string) => void) | undefined
}

export type ComparedSide =
  | { readonly snapshot: SnapshotReader }
  /** What is live: at an absolute path or URL; undefined: the source itself. */
  | { readonly target: string | undefined }
