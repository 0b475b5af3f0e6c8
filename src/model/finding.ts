export type Severity = 'info' | 'warning' | 'error'

/** One stated problem, as data. `subject` names the thing (`pack 3f2a0c11`, `source app`, a path). */
export interface Finding {
  readonly severity: Severity
  /** Stable, kebab-case, for machines: `pack-missing`, `file-changed`. */
  readonly code: string
  readonly subject: string
  /** Lower case, no full stop. */
  readonly message: string
  /** What to do, as a sentence. */
  readonly hint?: string
  /** What suffers from it: snapshot ids, paths. */
  readonly affects?: readonly string[]
}
