import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { StepProgress } from './maintenance.ts'
import type { Helper } from './reading.ts'
import type { Snapshot } from './snapshot.ts'

export interface CopyOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
  /** Asked for what the source cannot give back. */
  readonly helpers?: readonly Helper[] | undefined
}

export interface CopyReport {
  /** Oldest first. `from` is the id in the other repository. */
  readonly copied: ReadonlyArray<{ readonly from: Id; readonly snapshot: Snapshot }>
  /** Were here already. */
  readonly present: readonly Id[]
  /** Need what is damaged there, as the findings say; nothing of them is visible here. */
  readonly leftOut: readonly Id[]
  readonly blobs: number
  readonly bytesRead: number
  /** In new packs. */
  readonly bytesStored: number
  readonly findings: readonly Finding[]
}

/** What a copy would bring. */
export interface CopyPlan {
  readonly missing: readonly Snapshot[]
  readonly present: readonly Id[]
  readonly blobs: number
  /** Compressed and sealed, as they are there. */
  readonly bytes: number
}
