import type { Clock } from '../../base/clock.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import type { StorageClock } from './storage-clock.ts'

/** restic's limits: a lock is written anew every five minutes, and counts for nothing after thirty. */
export const REFRESH_MS = 5 * 60_000
export const STALE_MS = 30 * 60_000
/** Between writing a lock and looking again for others, so that of two that come at once at least one sees the other. As restic. */
export const SETTLE_MS = 200

export interface LocksContext {
  readonly files: RepositoryFiles
  readonly clock: Clock
  readonly storageClock: StorageClock
  /** Since when this process has seen which lock, by `monotonicMs`. */
  readonly seen: Map<Id, number>
  readonly onFinding: (finding: Finding) => void
}
