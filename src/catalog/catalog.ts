import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { ProofLevel, ProofRecord } from '../model/recovery-point.ts'

/**
 * The local record of what was done and what is proven. A convenience: it can be lost without losing a backup. Several
 * processes may use one catalog at once. Every adapter passes `test/contracts/catalog-contract.ts`.
 */
export interface Catalog {
  saveRun(run: Run): Promise<void>
  /** Newest first. */
  listRuns(query: RunQuery): Promise<Run[]>
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

/** One execution of an operation on one source and repository. */
export interface Run {
  readonly id: string
  readonly operation: string
  readonly source?: string
  /** Its name in the configuration. */
  readonly repository?: string
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly outcome: RunOutcome
  readonly snapshot?: Id
  /** Figures of the operation, by name. */
  readonly statistics: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

export interface RunQuery {
  readonly operation?: string
  readonly source?: string
  readonly limit: number
}

/** What an adapter's `index.ts` exports; `load` imports the rest. */
export interface CatalogDefinition {
  readonly kind: string
  readonly load: () => Promise<OpenCatalog>
}

/** `place` is a private, existing folder. Problems that were repaired go to `onFinding`. */
export type OpenCatalog = (place: string, onFinding: (finding: Finding) => void) => Promise<Catalog>
