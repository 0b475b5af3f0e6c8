import { messageOf } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { parseLsn, segmentName } from '../../model/wal.ts'
import type { Repository } from '../../repository/index.ts'
import type { LogState, Source, SourceContext } from '../../sources/source.ts'

import { listBaseBackups, passOverFuture } from './base-backups.ts'
import { type ClusterRecovery, readRecovery } from './windows.ts'

export interface WalStatusRequest extends SourceContext {
  readonly repository: Repository
  readonly source: Source
}

export interface WalStatus {
  readonly source: string
  readonly clusters: readonly ClusterStatus[]
  /** As the server says; undefined when it can't be asked. */
  readonly server: LogState | undefined
  readonly lag: WalLag | undefined
  readonly findings: readonly Finding[]
}

export interface ClusterStatus extends ClusterRecovery {
  readonly timelines: readonly TimelineRange[]
}

export interface TimelineRange {
  readonly timeline: number
  readonly first: string
  readonly last: string
  readonly segments: number
}

/** How much of the live server's log is not stored yet. */
export interface WalLag {
  readonly bytes: number
  /** Since the last stored segment was written; 0 when nothing is missing. */
  readonly seconds: number
}

/** What of a cluster's log is stored, what is missing, and how far behind the server it is. */
export async function readWalStatus(request: WalStatusRequest): Promise<WalStatus> {
  const { repository, source, signal } = request
  const { server, unreachable } = await inspect(request)
  const { bases: all, findings } = await listBaseBackups(repository, source.name)
  const { bases, findings: future } = passOverFuture(all, request.clock.now())
  const identifiers = new Set([
    ...bases.map(base => base.systemIdentifier),
    ...(server ? [server.systemIdentifier] : []),
  ])
  const clusters: ClusterStatus[] = []
  for (const identifier of identifiers) {
    const own = bases.filter(base => base.systemIdentifier === identifier)
    const recovery = await readRecovery(repository, identifier, own, signal)
    clusters.push({ ...recovery, timelines: listRanges(recovery) })
  }
  const live = clusters.find(cluster => cluster.archive.systemIdentifier === server?.systemIdentifier)
  const lag = server && live && (await measureLag(request, server, live))
  return {
    source: source.name,
    clusters,
    server,
    lag,
    findings: [...findings, ...future, ...unreachable, ...clusters.flatMap(gapFindings), ...serverFindings(server)],
  }
}

async function inspect(request: WalStatusRequest): Promise<{ server: LogState | undefined; unreachable: Finding[] }> {
  const { source } = request
  if (source.log === undefined) return { server: undefined, unreachable: [] }
  try {
    return { server: await source.log.inspect(request), unreachable: [] }
  } catch (error) {
    const finding: Finding = {
      severity: 'warning',
      code: 'server-unreachable',
      subject: `source ${source.name}`,
      message: `the server cannot be asked: ${messageOf(error)}`,
    }
    return { server: undefined, unreachable: [finding] }
  }
}

function listRanges({ archive }: ClusterRecovery): TimelineRange[] {
  return [...archive.log.segments].flatMap(([timeline, numbers]) => {
    const ordered = [...numbers].toSorted((a, b) => (a < b ? -1 : 1))
    const [first] = ordered
    const last = ordered.at(-1)
    if (first === undefined || last === undefined) return []
    const name = (number: bigint): string => segmentName({ timeline, number }, archive.log.segmentBytes)
    return { timeline, first: name(first), last: name(last), segments: ordered.length }
  })
}

async function measureLag(
  request: WalStatusRequest,
  server: LogState,
  { archive }: ClusterStatus,
): Promise<WalLag | undefined> {
  const newest = [...(archive.log.segments.get(server.timeline) ?? [])].reduce((a, b) => (a > b ? a : b), -1n)
  const lsn = parseLsn(server.lsn)
  if (newest < 0n || lsn === undefined) return undefined
  const name = segmentName({ timeline: server.timeline, number: newest }, archive.log.segmentBytes)
  const stored = archive.unfinished.has(name) ? `${name}.partial` : name
  const header = await request.repository.wal.findHeader(archive.systemIdentifier, stored, request.signal)
  const end = (newest + 1n) * BigInt(archive.log.segmentBytes)
  const bytes = Math.max(0, Number(lsn - end))
  const writtenMs = header === undefined ? Number.NaN : Date.parse(header.writtenAt)
  const seconds = Math.max(0, Math.round((request.clock.now().getTime() - writtenMs) / 1000))
  return { bytes, seconds: bytes === 0 && !archive.unfinished.has(name) ? 0 : seconds }
}

function gapFindings({ archive, gaps }: ClusterStatus): Finding[] {
  return gaps.map(gap => ({
    severity: 'error',
    code: 'log-gap',
    subject: `cluster ${archive.systemIdentifier}`,
    message: `${gap.count} log segments are missing: ${gap.firstMissing} to ${gap.lastMissing}`,
    hint: 'Take a backup now: "lifeboat backup". Nothing after the gap can be recovered from a backup before it.',
  }))
}

function serverFindings(server: LogState | undefined): Finding[] {
  const findings: Finding[] = []
  const { slot, archiver } = server ?? {}
  if (slot?.status === 'lost') {
    findings.push({
      severity: 'error',
      code: 'slot-lost',
      subject: `slot ${slot.name}`,
      message: 'the slot lost log that was not received yet',
      hint: `As a superuser run: SELECT pg_drop_replication_slot('${slot.name}'); then start "lifeboat wal receive" again and take a full backup.`,
    })
  } else if (slot && !slot.active) {
    findings.push({
      severity: 'warning',
      code: 'slot-inactive',
      subject: `slot ${slot.name}`,
      message: 'nobody receives the log, and the server keeps all of it until somebody does',
      hint: `Start "lifeboat wal receive", or drop the slot: SELECT pg_drop_replication_slot('${slot.name}');`,
    })
  }
  const failedAt = archiver?.lastFailedAt
  if (failedAt && (archiver.lastArchivedAt === undefined || failedAt > archiver.lastArchivedAt)) {
    findings.push({
      severity: 'error',
      code: 'archive-failing',
      subject: 'archive_command',
      message: `the server cannot archive ${archiver.lastFailed ?? 'its log'}`,
      hint: `Run archive_command by hand as the server's user, in the data directory: it says why. So does the log of the server.`,
    })
  }
  return findings
}
