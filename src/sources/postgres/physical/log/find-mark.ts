import { AppError } from '../../../../base/errors.ts'
import { formatTimeWithZone } from '../../../../base/times.ts'
import { describeRecoveryTarget, type RecoveryTarget } from '../../../../model/recovery-target.ts'
import type { LogReader } from '../../../source.ts'
import { listBasesBefore } from './recovery-choice.ts'
import { type LoggedBase, listSegmentsAfter, type WalCoverage } from './recovery-window.ts'
import { formatLsn, type Lsn, segmentOf } from './wal.ts'
import { type LogMark, LogMarkReader } from './wal-records.ts'

type MarkTarget = Extract<RecoveryTarget, { readonly kind: 'name' | 'transaction' }>

export interface MarkSearch {
  readonly target: MarkTarget
  /** On one timeline, newest first. */
  readonly newestFirst: readonly LoggedBase[]
  readonly log: WalCoverage
  readonly archive: LogReader
}

/** Names of other restore points that are said where the wanted one is not found. */
const NAMES_SHOWN = 5

/**
 * Where in the log a restore point was made or a transaction ended: nobody knows until it is read. Each stretch between
 * two backups is read by itself, restore points from the newest on: of several of one name the last one is meant. Throws
 * `target-invalid` when there is none, or when PostgreSQL would stop at an earlier one of that name.
 */
export async function findMark(search: MarkSearch): Promise<Lsn> {
  const { target, newestFirst } = search
  const others = new Set<string>()
  for (const base of target.kind === 'name' ? newestFirst : listBasesBefore(BigInt(target.transaction), newestFirst)) {
    const marks = await readMarks(search, base)
    const found = marks.filter(mark => isWanted(mark, target))
    if (found.length > 1 && target.kind === 'name') throw ambiguous(target.name, found)
    if (found[0] !== undefined) return found[0].lsn
    for (const mark of marks) if (mark.kind === 'restore-point') others.add(mark.name)
  }
  throw notFound(search, others)
}

function isWanted(mark: LogMark, target: MarkTarget): boolean {
  if (target.kind === 'name') return mark.kind === 'restore-point' && mark.name === target.name
  return mark.kind === 'transaction' && BigInt(mark.xid) === BigInt.asUintN(32, BigInt(target.transaction))
}

/** From a backup's end to the end of the next one, beyond which that one is the better start. */
async function readMarks({ newestFirst, archive, log, target }: MarkSearch, from: LoggedBase) {
  const next = newestFirst[newestFirst.indexOf(from) - 1]
  const until = next?.timeline === from.timeline ? next.base.stopLsn : from.toLsn
  const reader = new LogMarkReader()
  const marks: LogMark[] = []
  const into = Buffer.from(new SharedArrayBuffer(log.segmentBytes))
  for (const name of listSegmentsAfter(from, until, log)) {
    const found = await archive.find(name, into)
    if (found === undefined) break
    const start = segmentOf(name, log.segmentBytes).number * BigInt(log.segmentBytes)
    for (const mark of reader.push(found.bytes, start)) {
      const isWithin = mark.lsn >= from.base.stopLsn && (next === undefined || mark.lsn < until)
      if (isWithin && (mark.kind === 'restore-point' || isWanted(mark, target))) marks.push(mark)
    }
  }
  return marks
}

function ambiguous(name: string, marks: readonly LogMark[]): AppError {
  const places = marks.map(({ lsn, at }) => `--lsn ${formatLsn(lsn)} (${formatTimeWithZone(at)})`)
  return new AppError('target-invalid', `restore point ${name} was made ${marks.length} times after the same backup`, {
    hint: `Say which one by its position, in place of --name: ${places.join(', ')}.`,
  })
}

function notFound({ target, newestFirst, log }: MarkSearch, others: ReadonlySet<string>): AppError {
  const names = [...others].slice(0, NAMES_SHOWN).map(name => JSON.stringify(name))
  const known = target.kind === 'name' && names.length > 0 ? ` There are ${names.join(', ')}.` : ''
  const timelines = [...log.segments.keys()].toSorted((a, b) => a - b)
  const along = newestFirst[0]?.timeline
  const elsewhere = timelines.filter(timeline => timeline !== along)
  const branch =
    elsewhere.length === 0
      ? ''
      : ` The log of timeline ${along} was read; for another one add --timeline (${elsewhere.join(', ')}).`
  return new AppError(
    'target-invalid',
    `${describeRecoveryTarget(target)} is not in the log after the end of any backup`,
    {
      hint: `Use --at for a moment.${known}${branch} What happened before the first backup ended cannot be recovered.`,
    },
  )
}
