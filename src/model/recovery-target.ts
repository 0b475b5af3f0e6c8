import { formatEpochMicros } from '../base/times.ts'

/** Up to where a cluster's log is replayed. */
export type RecoveryTarget =
  /** Microseconds since 1970, as PostgreSQL counts: what committed within the same millisecond may be wanted or not. */
  | { readonly kind: 'time'; readonly epochMicros: number }
  | { readonly kind: 'lsn'; readonly lsn: string }
  /** The transaction itself is in (unless `inclusive` is false); those that committed after it are not. */
  | { readonly kind: 'xid'; readonly xid: string }
  /** A restore point that `pg_create_restore_point` made. */
  | { readonly kind: 'name'; readonly name: string }
  /** As soon as the copy is consistent. */
  | { readonly kind: 'immediate' }
  /** The end of the log. */
  | { readonly kind: 'end' }

export interface RecoveryRequest {
  readonly target: RecoveryTarget
  /** `latest`, `current`, or a number; default PostgreSQL's own: `latest`. */
  readonly timeline?: string | undefined
  /** Stop just after the target (default) or just before it. */
  readonly inclusive?: boolean | undefined
  /** Where the log comes from; undefined: the log in the snapshot must do. */
  readonly log?: LogFetch | undefined
}

/** How a server that recovers gets a file of its log. */
export interface LogFetch {
  /** A program and its arguments, to which the file's name and where to put it are added. It fails where there is none. */
  readonly fetchCommand: readonly string[]
  /** Files that were fetched ahead, by name: to be moved from here. */
  readonly fetchedFolder?: string | undefined
}

export function describeRecoveryTarget(target: RecoveryTarget): string {
  if (target.kind === 'time') return formatEpochMicros(target.epochMicros)
  if (target.kind === 'lsn') return `position ${target.lsn}`
  if (target.kind === 'xid') return `transaction ${target.xid}`
  if (target.kind === 'name') return `restore point ${target.name}`
  if (target.kind === 'immediate') return "the backup's end"
  return 'the end of the log'
}
