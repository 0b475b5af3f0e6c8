import type { Clock } from '../../base/clock.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { CheckOptions, CheckReport, Repository } from '../../repository/index.ts'
import { findWrongTimes } from '../snapshots/wrong-times.ts'

export interface CheckRequest extends CheckOptions {
  readonly repository: Repository
  readonly catalog: Catalog
  readonly clock: Clock
}

export interface CheckResult extends CheckReport {
  /** No finding is an error. */
  readonly whole: boolean
  /** Snapshots that are now proven `checked`: all of their bytes were read and are right. */
  readonly proven: number
}

/**
 * Is the repository whole? Damage is findings. When everything was read, no pack being archived, each snapshot that no damage affects is
 * recorded as `checked`, and one that damage affects as failed.
 */
export async function check(request: CheckRequest): Promise<CheckResult> {
  const { repository, readData, signal, onProgress } = request
  // Listed before the check begins: a snapshot that appears meanwhile may not have been looked at.
  const { snapshots } = await repository.listSnapshots()
  const checked = await repository.check({ readData, signal, onProgress })
  const misdated = await findWrongTimes(repository, snapshots, request.clock.now())
  const report = { ...checked, findings: [...checked.findings, ...misdated] }
  const errors = report.findings.filter(finding => finding.severity === 'error')
  const proven = readData === 1 && report.packsArchived === 0 ? soundSnapshots(snapshots, errors) : []
  const hurt = snapshots.map(({ id }) => id).filter(id => errors.some(error => error.affects?.includes(id)))
  if (repository.frozen) return { ...report, whole: errors.length === 0, proven: 0 }
  const now = request.clock.now()
  if (proven.length > 0) await request.catalog.saveProofs(repository.id, proven, 'checked', now)
  if (hurt.length > 0) await request.catalog.saveFailedProofs(repository.id, hurt, 'checked', now)
  return { ...report, whole: errors.length === 0, proven: proven.length }
}

/** An error that does not say whom it affects may affect anyone. */
function soundSnapshots(
  snapshots: ReadonlyArray<{ readonly id: string }>,
  errors: ReadonlyArray<{ readonly affects?: readonly string[] }>,
): string[] {
  if (errors.some(error => error.affects === undefined)) return []
  const hurt = new Set(errors.flatMap(error => error.affects ?? []))
  return snapshots.map(snapshot => snapshot.id).filter(id => !hurt.has(id))
}
