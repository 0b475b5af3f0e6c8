/** How far something is. */
export interface ProgressState {
  /** What is being done: `backup app`. */
  readonly label: string
  readonly done: number
  /** Undefined while nobody knows. */
  readonly total: number | undefined
  readonly unit: 'bytes' | 'items'
  /** More facts, in the order in which they are shown. */
  readonly details?: readonly string[]
}
