import type { Owner } from '../base/process-life.ts'
import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { ProofLevel, ProofRecord } from '../model/recovery-point.ts'

/**
 * The local record of what was done and what is proven. A convenience: it can be lost without losing a backup. Several
 * processes may use one catalog at once. Every adapter passes `test/contracts/catalog-contract.ts`.
 */
export interface Catalog {
  /** False where reads gave nothing because they failed, and not because there is nothing. */
  readonly isUsable?: boolean
  /** Before it does anything: what is running, and what was killed, can be seen. */
  beginRun(run: NewRun): Promise<void>
  /** An attempt of a run that was begun, when it has ended. */
  saveAttempt(runId: string, attempt: Attempt): Promise<void>
  endRun(runId: string, end: RunEnd): Promise<void>
  /** Newest first. */
  listRuns(query: RunQuery): Promise<RunRecord[]>
  /** Attempts at one copy, of whichever runs, newest first. */
  listAttempts(query: AttemptQuery): Promise<Attempt[]>
  /**
   * Takes what only one at a time may have, such as the right to act on a schedule: undefined while another holder's has
   * not run out. Whoever has it takes it again to go on having it.
   */
  acquireLease(lease: Lease, now: Date): Promise<Lease | undefined>
  releaseLease(name: string, holder: string): Promise<void>
  /** Keeps the strongest proof of a snapshot, `restored` over `checked`. It makes good a failure of its level or a lesser. */
  saveProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void>
  /** Snapshots that did not pass: whatever was proven of them before no longer holds. */
  saveFailedProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void>
  /** Snapshots of a repository of which more is known than that they were recorded. */
  listProofs(repositoryId: Id): Promise<ReadonlyMap<Id, ProofRecord>>
  close(): Promise<void>
}

export const RUN_OUTCOMES = ['done', 'incomplete', 'failed', 'interrupted'] as const
export type RunOutcome = (typeof RUN_OUTCOMES)[number]

/** One thing that was asked for: a backup of a policy, a restore. It has attempts. */
export interface NewRun {
  readonly id: string
  readonly operation: string
  readonly policy?: string | undefined
  readonly startedAt: Date
  /** The process that does it, with what proves later that it is gone. */
  readonly owner: Owner
}

export interface RunEnd {
  readonly outcome: RunOutcome
  readonly finishedAt: Date
  /** Of the run itself, such as why it failed before its first attempt; attempts have their own. */
  readonly findings: readonly Finding[]
}

export interface RunRecord extends NewRun {
  /** Undefined: it has not ended, for all that the catalog knows. */
  readonly end: RunEnd | undefined
  readonly attempts: readonly Attempt[]
}

/** One source and one repository of a run, once. */
export interface Attempt {
  readonly operation: string
  readonly source?: string | undefined
  /** Its name in the configuration. */
  readonly repository?: string | undefined
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly outcome: RunOutcome
  readonly snapshot?: Id | undefined
  /** Figures of the operation, by name. */
  readonly statistics: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

export interface RunQuery {
  /** The beginning of its id. */
  readonly id?: string | undefined
  readonly operation?: string | undefined
  /** Runs with an attempt of it. */
  readonly source?: string | undefined
  readonly limit: number
}

export interface AttemptQuery {
  readonly operation: string
  readonly source: string
  readonly repository: string
  readonly limit: number
}

export interface Lease {
  readonly name: string
  /** Whose it is: unlike any other's. */
  readonly holder: string
  readonly until: Date
}

/** What an adapter's `index.ts` exports; `load` imports the rest. */
export interface CatalogDefinition {
  readonly kind: string
  readonly load: () => Promise<OpenCatalog>
}

/** `place` is a private, existing folder. Problems that were repaired go to `onFinding`. */
export type OpenCatalog = (place: string, onFinding: (finding: Finding) => void) => Promise<Catalog>
