import type { LogReader } from '../../../source.ts'
import { type LoggedBase, listSegmentsAfter, type WalCoverage } from './recovery-window.ts'
import { segmentOf } from './wal.ts'
import { LogMarkReader } from './wal-records.ts'

/** Of a server that archives every minute and does nothing: an hour and a half. */
const MOST_SEGMENTS = 100

/** When the last transaction after a backup ended; `none` where there is none, undefined where it is too far back to look for. */
export async function findLastTransaction(
  logged: LoggedBase,
  log: WalCoverage,
  archive: LogReader,
): Promise<Date | 'none' | undefined> {
  const into = Buffer.from(new SharedArrayBuffer(log.segmentBytes))
  const names = [...listSegmentsAfter(logged, logged.toLsn, log)].toReversed()
  for (const name of names.slice(0, MOST_SEGMENTS)) {
    const found = await archive.find(name, into)
    if (found === undefined) continue
    const start = segmentOf(name, log.segmentBytes).number * BigInt(log.segmentBytes)
    const ends = new LogMarkReader().push(found.bytes, start).filter(({ kind }) => kind === 'transaction')
    const last = ends.at(-1)
    if (last !== undefined) return last.at
  }
  return names.length > MOST_SEGMENTS ? undefined : 'none'
}
