import { messageOf } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { LogGap, LogId, LogRange } from '../../model/log.ts'
import type { Repository } from '../../repository/index.ts'
import type { LogState, LogWords, Source, SourceContext } from '../../sources/source.ts'
import { basesOf, type LogFormats, listBases, logsOf, passOverFuture } from './bases.ts'
import { type LogRecovery, readRecovery, type TimedWindow } from './windows.ts'

export interface LogStatusRequest extends SourceContext {
  readonly formats: LogFormats
  readonly repository: Repository
  readonly source: Source
}

export interface LogStatus {
  readonly source: string
  readonly logs: readonly StoredLogStatus[]
  /** As the source says; undefined when it can't be asked. */
  readonly live: LogState | undefined
  readonly lag: LogLag | undefined
  readonly findings: readonly Finding[]
}

/** What is stored of one log. */
export interface StoredLogStatus {
  readonly id: string
  readonly words: LogWords
  readonly files: number
  /** Compressed and sealed. */
  readonly storedBytes: number
  readonly ranges: readonly LogRange[]
  readonly gaps: readonly LogGap[]
  readonly windows: readonly TimedWindow[]
}

/** How much of the live source's log is not stored yet. */
export interface LogLag {
  readonly bytes: number
  /** Since the last stored file was written; 0 when nothing is missing. */
  readonly seconds: number
}

/** What of a source's log is stored, what is missing, and how far behind the source it is. */
export async function readLogStatus(request: LogStatusRequest): Promise<LogStatus> {
  const { formats, repository, source, signal } = request
  const { live, unreachable } = await inspect(request)
  const { bases: all, findings } = await listBases(formats, repository, source.name)
  const { bases, findings: future } = passOverFuture(all, request.clock.now())
  const recoveries: LogRecovery[] = []
  for (const log of withLive(logsOf(bases), live && { kind: source.kind, id: live.id })) {
    const recovery = await readRecovery(formats, repository, log, { bases: basesOf(bases, log), signal })
    if (recovery) recoveries.push(recovery)
  }
  const logs = recoveries.map(statusOf)
  const written = recoveries.find(({ archive }) => archive.log.id === live?.id)
  return {
    source: source.name,
    logs,
    live,
    lag: live && written && (await measureLag(request, live, written)),
    findings: [...findings, ...future, ...unreachable, ...logs.flatMap(gapFindings), ...(live?.findings ?? [])],
  }
}

function withLive(logs: readonly LogId[], live: LogId | undefined): readonly LogId[] {
  const isKnown = live === undefined || logs.some(({ kind, id }) => kind === live.kind && id === live.id)
  return isKnown ? logs : [...logs, live]
}

async function inspect(request: LogStatusRequest): Promise<{ live: LogState | undefined; unreachable: Finding[] }> {
  const { source } = request
  if (source.log === undefined) return { live: undefined, unreachable: [] }
  try {
    return { live: await source.log.inspect(request), unreachable: [] }
  } catch (error) {
    const finding: Finding = {
      severity: 'warning',
      code: 'server-unreachable',
      subject: `source ${source.name}`,
      message: `the server cannot be asked: ${messageOf(error)}`,
    }
    return { live: undefined, unreachable: [finding] }
  }
}

function statusOf({ archive, windows }: LogRecovery): StoredLogStatus {
  const { log, format, files, storedBytes, coverage } = archive
  return {
    id: log.id,
    words: format.words,
    files,
    storedBytes,
    ranges: coverage.ranges,
    gaps: coverage.gaps,
    windows,
  }
}

async function measureLag(
  { clock }: LogStatusRequest,
  live: LogState,
  { archive }: LogRecovery,
): Promise<LogLag | undefined> {
  const lag = archive.coverage.measureLag(live)
  if (lag === undefined) return undefined
  const { bytes, newest } = lag
  if (bytes === 0 && !archive.unfinished.has(newest)) return { bytes, seconds: 0 }
  const writtenMs = (await archive.reader.findHeader(newest))?.writtenAt.getTime() ?? Number.NaN
  return { bytes, seconds: Math.max(0, Math.round((clock.now().getTime() - writtenMs) / 1000)) }
}

function gapFindings({ id, words, gaps }: StoredLogStatus): Finding[] {
  return gaps.map(gap => ({
    severity: 'error',
    code: 'log-gap',
    subject: `${words.log} ${id}`,
    message: `${gap.count} log ${words.file}s are missing: ${gap.firstMissing} to ${gap.lastMissing}`,
    hint: 'Take a backup now: "lifeboat backup". Nothing after the gap can be recovered from a backup before it.',
  }))
}
