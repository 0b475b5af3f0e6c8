import { formatEpochMicros } from '../base/times.ts'

/** Up to where a log is replayed. */
export type RecoveryTarget =
  /** Microseconds since 1970: what committed within the same millisecond may be wanted or not. */
  | { readonly kind: 'time'; readonly epochMicros: number }
  /** As the source writes it. */
  | { readonly kind: 'position'; readonly position: string }
  /** The transaction itself is in (unless `inclusive` is false); those that committed after it are not. */
  | { readonly kind: 'transaction'; readonly transaction: string }
  /** A mark that somebody made in the log. */
  | { readonly kind: 'name'; readonly name: string }
  /** As soon as the copy is consistent. */
  | { readonly kind: 'immediate' }
  /** The end of the log. */
  | { readonly kind: 'end' }

export function describeRecoveryTarget(target: RecoveryTarget): string {
  if (target.kind === 'time') return formatEpochMicros(target.epochMicros)
  if (target.kind === 'position') return `position ${target.position}`
  if (target.kind === 'transaction') return `transaction ${target.transaction}`
  if (target.kind === 'name') return `restore point ${target.name}`
  if (target.kind === 'immediate') return "the backup's end"
  return 'the end of the log'
}
