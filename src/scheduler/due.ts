import type { SlotPhase, SlotRecord } from '../catalog/catalog.ts'
import { jitterOf, newestSlot, nextSlot, type Schedule, startInWindow } from '../model/schedule.ts'

/** Minutes until a failed run is tried again. */
export const RETRY_MINUTES = [1, 5, 15] as const
/** A start that is so much later than its time is late: the machine slept, or another run was in the way. */
const LATE_MS = 60_000

/** What is done again and again: the backup of a policy, the upkeep of a repository. */
export interface Job {
  /** `backup nightly`, `prune main`. */
  readonly name: string
  readonly schedule: Schedule
}

/** What is remembered of a job. */
export interface JobMemory {
  /** Nothing before this moment is caught up: then the schedule was first seen, or was changed. */
  readonly since: Date
  /** The slot that was taken up last. */
  readonly last?: SlotRecord | undefined
  /** Was this slot taken up already, under any clock? */
  readonly wasTaken: (slot: Date) => boolean
  readonly pausedUntil?: Date | undefined
}

export type Decision =
  | { readonly run: true; readonly slot: Date; readonly attempt: number; readonly why: 'on time' | 'late' | 'retry' }
  /** `next`: when to look again, if nothing changes. Undefined: it never comes again. */
  | { readonly run: false; readonly next: Date | undefined }

/**
 * Is it time? A function of nothing but what it is given, so that a clock that jumps, a week asleep or a kill at any moment
 * change nothing: of the slots that were missed, the newest runs, once.
 *
 * @param host the same job starts at other moments on other hosts, where it has a jitter
 */
export function decide(job: Job, memory: JobMemory, host: string, now: Date): Decision {
  if (memory.last?.phase === 'running') return { run: false, next: undefined }
  if (memory.pausedUntil !== undefined && now < memory.pausedUntil) return { run: false, next: memory.pausedUntil }
  const jitter = jitterOf(job.schedule, `${host}\0${job.name}`)
  // A clock that stood in the future must not keep a job from running until that comes.
  const since = memory.since > now ? now : memory.since
  const slot = newestSlot(job.schedule, since, new Date(now.getTime() - jitter))
  if (slot !== undefined && !memory.wasTaken(slot)) {
    const start = startInWindow(job.schedule, now)
    if (start > now) return { run: false, next: start }
    const isLate = now.getTime() - slot.getTime() - jitter > LATE_MS
    return { run: true, slot, attempt: 1, why: isLate ? 'late' : 'on time' }
  }
  const upcoming = nextSlot(job.schedule, new Date(now.getTime() - jitter))
  const next = upcoming && startInWindow(job.schedule, new Date(upcoming.getTime() + jitter))
  const retry = retryOf(memory.last, job, now)
  if (retry === undefined) return { run: false, next }
  if (retry.at > now) return { run: false, next: next !== undefined && next < retry.at ? next : retry.at }
  return { run: true, slot: retry.slot, attempt: retry.attempt, why: 'retry' }
}

interface Retry {
  readonly slot: Date
  readonly attempt: number
  readonly at: Date
}

function retryOf(last: SlotRecord | undefined, { schedule }: Job, now: Date): Retry | undefined {
  if (last?.phase !== 'failed') return undefined
  const minutes = RETRY_MINUTES[last.attempt - 1]
  if (minutes === undefined) return undefined
  const wait = minutes * 60_000
  // Counted from now where the clock went back behind it.
  const from = last.changedAt > now ? now.getTime() - wait : last.changedAt.getTime()
  return { slot: last.at, attempt: last.attempt + 1, at: startInWindow(schedule, new Date(from + wait)) }
}

/** What a failed attempt comes to. */
export function phaseAfterFailure(attempt: number): SlotPhase {
  return attempt > RETRY_MINUTES.length ? 'given-up' : 'failed'
}
