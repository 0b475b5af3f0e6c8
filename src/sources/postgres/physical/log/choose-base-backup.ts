import { formatTimeWithZone } from '../../../../base/times.ts'
import type { Finding } from '../../../../model/finding.ts'
import { describeRecoveryTarget } from '../../../../model/recovery-target.ts'
import type { BaseChoice, BaseWish, LogReader } from '../../../source.ts'
import { baseBackupOf } from './base-backup.ts'
import { findMark } from './find-mark.ts'
import { findLastTransaction } from './last-transaction.ts'
import { chooseBase, type PlacedTarget } from './recovery-choice.ts'
import { type LoggedBase, listLoggedBases, type WalCoverage } from './recovery-window.ts'

/** The newest backup that ended before the target, on the timeline that is gone along. */
export async function chooseBaseBackup(wish: BaseWish, log: WalCoverage, archive: LogReader): Promise<BaseChoice> {
  const onTimeline = listLoggedBases(wish.bases.map(baseBackupOf), log, wish.branch)
  if (onTimeline.length === 0) {
    return { reason: `no backup is on timeline ${wish.branch ?? 'latest'}`, better: undefined }
  }
  const target = await place(wish, onTimeline, log, archive)
  const toTimes = target.kind === 'time' ? await readEnds(archive, onTimeline) : new Map<string, Date>()
  const allowed = onTimeline.filter(({ base }) => wish.wanted === undefined || base.snapshot === wish.wanted)
  const chosen = chooseBase(target, allowed, toTimes)
  if (!('reason' in chosen)) {
    return { base: wishedBase(wish, chosen), findings: await warnOfEnd(wish, chosen, log, archive) }
  }
  if (wish.wanted === undefined) return { reason: chosen.reason, better: undefined }
  const better = chooseBase(target, onTimeline, toTimes)
  return 'reason' in better
    ? { reason: better.reason, better: undefined }
    : { reason: chosen.reason, better: wishedBase(wish, better) }
}

function wishedBase({ bases }: BaseWish, { base: { snapshot } }: LoggedBase): BaseWish['bases'][number] {
  const found = bases.find(base => base.snapshot === snapshot)
  if (found === undefined) throw new TypeError(`${snapshot} is none of the backups`)
  return found
}

async function place(
  { target }: BaseWish,
  newestFirst: readonly LoggedBase[],
  log: WalCoverage,
  archive: LogReader,
): Promise<PlacedTarget> {
  if (target.kind !== 'name' && target.kind !== 'transaction') return target
  return { kind: 'found', lsn: await findMark({ target, newestFirst, log, archive }) }
}

async function readEnds(archive: LogReader, bases: readonly LoggedBase[]): Promise<Map<string, Date>> {
  const ends = new Map<string, Date>()
  for (const name of new Set(bases.map(({ lastSegment }) => lastSegment))) {
    const header = name === undefined ? undefined : await archive.findHeader(name)
    if (name !== undefined && header !== undefined) ends.set(name, header.writtenAt)
  }
  return ends
}

/** PostgreSQL has reached a time when it meets a transaction that ended later, and without one it does not start. */
async function warnOfEnd(
  { target, warns, subject }: BaseWish,
  chosen: LoggedBase,
  log: WalCoverage,
  archive: LogReader,
): Promise<Finding[]> {
  if (target.kind !== 'time' || !warns) return []
  const last = await findLastTransaction(chosen, log, archive)
  if (last === undefined || (last !== 'none' && target.epochMicros <= last.getTime() * 1000 + 999)) return []
  const ended =
    last === 'none'
      ? 'its log holds no transaction after the backup ended'
      : `the last transaction in its log ended at ${formatTimeWithZone(last)}, before ${describeRecoveryTarget(target)}`
  return [
    {
      severity: 'warning',
      code: 'after-last-transaction',
      subject,
      message: `${ended}: the server will not start ("recovery ended before configured recovery target was reached")`,
      hint: 'Put "--timeline latest" in place of --at to go to the end of the log, add --start, or name an earlier moment.',
    },
  ]
}
