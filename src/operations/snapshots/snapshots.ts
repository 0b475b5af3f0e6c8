import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { keeps, type Pin } from '../../model/pin.ts'
import {
  labelsOf,
  type ProofRecord,
  pointKey,
  policiesOf,
  type RecoveryPoint,
  SHORT_ID_DIGITS,
  userTags,
} from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { findWrongTimes } from './wrong-times.ts'

export interface NamedRepository {
  /** Its name in the configuration. */
  readonly name: string
  readonly repository: Repository
}

export interface SnapshotsRequest {
  readonly repositories: readonly NamedRepository[]
  /** Only this source's; undefined: all, other programs' too. */
  readonly source: string | undefined
  /** Only those of this moment or later. */
  readonly since?: Date | undefined
  /** Only those of this moment or earlier. */
  readonly until?: Date | undefined
  /** Whether a pin still holds. */
  readonly now: Date
  /** What is proven of the snapshots of a repository (by its id). */
  readonly proofs: (repositoryId: Id) => ReadonlyMap<Id, ProofRecord>
}

export interface SnapshotsResult {
  /** Oldest first. */
  readonly recoveryPoints: readonly RecoveryPoint[]
  readonly findings: readonly Finding[]
}

/** Lists recovery points of one or all sources, over several repositories. */
export async function listRecoveryPoints(request: SnapshotsRequest): Promise<SnapshotsResult> {
  const recoveryPoints: RecoveryPoint[] = []
  const findings: Finding[] = []
  for (const { name, repository } of request.repositories) {
    const proofs = request.proofs(repository.id)
    const list = await repository.listSnapshots()
    const pinned = await repository.listPins()
    const pins = new Map(pinned.pins.filter(pin => keeps(pin, request.now)).map(pin => [pin.snapshot, pin]))
    const misdated = await findWrongTimes(repository, list.snapshots, request.now)
    findings.push(...list.findings, ...pinned.findings, ...misdated)
    for (const snapshot of list.snapshots) {
      const point = toRecoveryPoint(snapshot, name, { proven: proofs.get(snapshot.id), pin: pins.get(snapshot.id) })
      if (isWanted(point, request)) recoveryPoints.push(point)
    }
  }
  recoveryPoints.sort((a, b) => a.time.getTime() - b.time.getTime())
  return { recoveryPoints, findings }
}

function isWanted({ source, time }: RecoveryPoint, request: SnapshotsRequest): boolean {
  const { since = time, until = time } = request
  return (request.source === undefined || source === request.source) && time >= since && time <= until
}

interface Known {
  readonly proven: ProofRecord | undefined
  readonly pin: Pin | undefined
}

function toRecoveryPoint(snapshot: Snapshot, repository: string, { proven, pin }: Known): RecoveryPoint {
  const { source, kind, type, incomplete = 0 } = labelsOf(snapshot.tags)
  return {
    key: pointKey(snapshot),
    id: snapshot.id,
    shortId: snapshot.id.slice(0, SHORT_ID_DIGITS),
    time: snapshot.time,
    source,
    kind,
    type,
    repository,
    hostname: snapshot.hostname,
    paths: snapshot.paths,
    tags: userTags(snapshot.tags),
    policies: policiesOf(snapshot.tags),
    pin,
    sizeBytes: snapshot.summary?.totalBytesProcessed,
    addedBytes: snapshot.summary?.dataAddedPacked,
    incomplete,
    proof: proven?.proof ?? 'recorded',
    provenAt: proven?.at,
  }
}
