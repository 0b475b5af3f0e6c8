import type { LogBase, LogGap, LogRange, LogWindow } from '../../../../model/log.ts'
import type { BaseChoice, BaseWish, LogCoverage, LogReader, LogState } from '../../../source.ts'
import { baseBackupOf } from './base-backup.ts'
import { chooseBaseBackup } from './choose-base-backup.ts'
import { listGaps, listRecoveryWindows, listUnneededSegments, type WalCoverage } from './recovery-window.ts'
import {
  DEFAULT_WAL_SEGMENT_BYTES,
  formatLsn,
  parseHistory,
  parseLsn,
  parseWalFileName,
  segmentName,
  segmentOf,
  type TimelineSwitch,
} from './wal.ts'

/** What an archive holds of a cluster's log. An unfinished segment counts as there: it holds all that was received. */
export async function readWalCoverage(archive: LogReader): Promise<LogCoverage> {
  return new ArchivedWal(archive, await readWal(archive))
}

export async function readWal(archive: LogReader): Promise<WalCoverage> {
  const names = archive.files.map(file => file.name)
  const ofKind = (kind: string): string[] => names.filter(name => parseWalFileName(name)?.kind === kind)
  const [first, ...more] = ofKind('segment')
  const header = first === undefined ? undefined : await archive.findHeader(first)
  const segmentBytes = header?.sizeBytes ?? DEFAULT_WAL_SEGMENT_BYTES
  const segments = new Map<number, Set<bigint>>()
  for (const name of first === undefined ? [] : [first, ...more]) {
    const { timeline, number } = segmentOf(name, segmentBytes)
    const known = segments.get(timeline)
    if (known) known.add(number)
    else segments.set(timeline, new Set([number]))
  }
  const histories = new Map<number, readonly TimelineSwitch[]>()
  for (const name of ofKind('history')) {
    const found = await archive.find(name)
    if (found) histories.set(Number.parseInt(name.slice(0, 8), 16), parseHistory(found.bytes.toString('utf8')))
  }
  return { segmentBytes, segments, histories }
}

class ArchivedWal implements LogCoverage {
  readonly #archive: LogReader
  readonly #log: WalCoverage

  constructor(archive: LogReader, log: WalCoverage) {
    this.#archive = archive
    this.#log = log
  }

  get ranges(): readonly LogRange[] {
    return [...this.#log.segments].flatMap(([timeline, numbers]) => {
      const ordered = [...numbers].toSorted((a, b) => (a < b ? -1 : 1))
      const [first] = ordered
      const last = ordered.at(-1)
      if (first === undefined || last === undefined) return []
      const name = (number: bigint): string => segmentName({ timeline, number }, this.#log.segmentBytes)
      return { branch: timeline, first: name(first), last: name(last), files: ordered.length }
    })
  }

  get gaps(): readonly LogGap[] {
    return listGaps(this.#log).map(({ timeline, ...gap }) => ({ branch: timeline, ...gap }))
  }

  listWindows(bases: readonly LogBase[]): readonly LogWindow[] {
    const bySnapshot = new Map(bases.map(base => [base.snapshot, base]))
    const windows = listRecoveryWindows(bases.map(baseBackupOf), this.#log)
    return windows.map(window => ({
      branch: window.timeline,
      bases: window.bases.flatMap(base => bySnapshot.get(base.snapshot) ?? []),
      from: window.from,
      fromPosition: formatLsn(window.fromLsn),
      toPosition: formatLsn(window.toLsn),
      lastFile: window.lastSegment,
    }))
  }

  /** Labels of backups go with the segment that they are of; histories stay. */
  listUnneeded(bases: readonly LogBase[]): readonly string[] {
    const unneeded = new Set(listUnneededSegments(bases.map(baseBackupOf), this.#log))
    return this.#archive.files.map(file => file.name).filter(name => unneeded.has(name.slice(0, 24)))
  }

  async choose(wish: BaseWish): Promise<BaseChoice> {
    return await chooseBaseBackup(wish, this.#log, this.#archive)
  }

  measureLag({ branch, position }: LogState): { readonly bytes: number; readonly newest: string } | undefined {
    const { segments, segmentBytes } = this.#log
    const newest = [...(segments.get(branch) ?? [])].reduce((a, b) => (a > b ? a : b), -1n)
    const lsn = parseLsn(position)
    if (newest < 0n || lsn === undefined) return undefined
    const end = (newest + 1n) * BigInt(segmentBytes)
    return {
      bytes: Math.max(0, Number(lsn - end)),
      newest: segmentName({ timeline: branch, number: newest }, segmentBytes),
    }
  }
}
