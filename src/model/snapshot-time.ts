import { isOfFuture } from './recovery-point.ts'

/**
 * Why the time of a snapshot is not believed: it has not come yet, or the snapshot was stored before it. A wrong clock
 * makes such snapshots, and so does whoever wants good ones to be forgotten in their favour.
 */
export type WrongTime = 'future' | 'after-stored'

export interface TimedSnapshot {
  /** As the snapshot says. */
  readonly time: Date
  /** When its file was stored, by the storage's clock; undefined where that is not known. */
  readonly storedAt?: Date | undefined
}

/** Disks of FAT know no time zone, and their times shift with the summer; wrong clocks are mostly wrong by more. */
const STORED_LATER_MS = 70 * 60_000

/** Undefined: nothing speaks against its time. Who sees one reports it, and lets it take no other snapshot's place. */
export function findWrongTime({ time, storedAt }: TimedSnapshot, now: Date): WrongTime | undefined {
  if (isOfFuture(time, now)) return 'future'
  const isAfterStored = storedAt !== undefined && time.getTime() > storedAt.getTime() + STORED_LATER_MS
  return isAfterStored ? 'after-stored' : undefined
}

/** For people. */
export function describeWrongTime(wrong: WrongTime): string {
  return wrong === 'future' ? 'from the future' : 'dated after it was stored'
}
