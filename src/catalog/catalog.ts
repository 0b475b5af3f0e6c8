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
  /** What is remembered of a job of the schedule; takes the place of what was. */
  saveJob(job: JobRecord): Promise<void>
  listJobs(): Promise<JobRecord[]>
  /** False where this attempt at this slot was taken up already: of two that try at once, one gets it. */
  claimSlot(slot: SlotRecord): Promise<boolean>
  /** Of a slot that was claimed. */
  updateSlot(slot: SlotRecord): Promise<void>
  /** By when they changed, newest first. */
  listSlots(query: SlotQuery): Promise<SlotRecord[]>
  saveAlert(alert: AlertRecord): Promise<void>
  /** Those that are open, then those that were closed last. */
  listAlerts(query: { readonly closed: number }): Promise<AlertRecord[]>
  /** What is to be told, until it was: again under its id takes the place of what was. */
  saveNotice(notice: NoticeRecord): Promise<void>
  /** What was not told yet, oldest first. */
  listPendingNotices(): Promise<NoticeRecord[]>
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

/** A job of the schedule, such as `backup nightly`. */
export interface JobRecord {
  readonly name: string
  /** Tells its schedule from any other. */
  readonly schedule: string
  /** When that schedule was first seen: nothing before it is caught up. */
  readonly since: Date
  readonly pausedUntil?: Date | undefined
}

/** `failed`: it may be tried again. `given-up`: it is not. */
export const SLOT_PHASES = ['running', 'done', 'failed', 'given-up'] as const
export type SlotPhase = (typeof SLOT_PHASES)[number]

/** A time of a job's schedule, from the moment that it was taken up. */
export interface SlotRecord {
  readonly job: string
  /** The time of the schedule, not of the start. */
  readonly at: Date
  /** As the clock on the wall showed that time, and in which zone. */
  readonly wall: string
  readonly timezone: string
  readonly schedule: string
  /** The first is 1. */
  readonly attempt: number
  readonly phase: SlotPhase
  /** When the attempt began or, once it has ended, ended. */
  readonly changedAt: Date
  /** The process that does it. Undefined until it was started. */
  readonly owner?: Owner | undefined
  /** The run in the catalog. */
  readonly run?: string | undefined
}

export interface SlotQuery {
  /** Default: of all jobs. */
  readonly job?: string | undefined
  readonly limit: number
}

/** Something that is wrong, from when it was first seen until it is no longer so. */
export interface AlertRecord {
  /** What is wrong with what; a closed one and an open one may share it. */
  readonly key: string
  readonly finding: Finding
  readonly openedAt: Date
  /** When somebody was told last. Undefined: nobody was. */
  readonly toldAt?: Date | undefined
  /** How often it was told. */
  readonly told: number
  /** It is open, and was not seen since then. */
  readonly missingSince?: Date | undefined
  readonly silencedUntil?: Date | undefined
  readonly closedAt?: Date | undefined
}

/** One notice to one notifier. */
export interface NoticeRecord {
  readonly id: string
  /** Its name in the configuration. */
  readonly notifier: string
  /** As JSON. */
  readonly content: string
  readonly createdAt: Date
  readonly tries: number
  /** Not before. */
  readonly nextAt: Date
  /** Why the last try failed. */
  readonly failure?: string | undefined
  /** Taken by the other side, or given up. */
  readonly settledAt?: Date | undefined
}

/** What an adapter's `index.ts` exports; `load` imports the rest. */
export interface CatalogDefinition {
  readonly kind: string
  readonly load: () => Promise<OpenCatalog>
}

/** `place` is a private, existing folder. Problems that were repaired go to `onFinding`. */
export type OpenCatalog = (place: string, onFinding: (finding: Finding) => void) => Promise<Catalog>
