import { formatTime } from '../base/times.ts'
import type { Id } from './node.ts'

/** What keeps one snapshot, whatever the rules say. */
export interface Pin {
  readonly snapshot: Id
  /** It keeps until then; undefined: until it is removed. */
  readonly until?: Date | undefined
  readonly reason?: string | undefined
}

const REASON_CHARS = 200

/** It stands in one line of a list. */
export function isPinReason(text: string): boolean {
  return text.trim() !== '' && text.length <= REASON_CHARS && !/\p{Cc}/u.test(text)
}

export function keeps({ until }: Pin, now: Date): boolean {
  return until === undefined || now < until
}

/** `pinned`, `pinned until 2027-01-01 00:00:00: before the move`. */
export function describePin({ until, reason }: Pin): string {
  return `pinned${until === undefined ? '' : ` until ${formatTime(until)}`}${reason === undefined ? '' : `: ${reason}`}`
}

/** Of several pins of one snapshot, the one that keeps it longest. */
export function longestPin(pins: readonly Pin[]): Pin | undefined {
  return pins.toSorted((a, b) => endOf(b) - endOf(a))[0]
}

const endOf = ({ until }: Pin): number => until?.getTime() ?? Number.POSITIVE_INFINITY
