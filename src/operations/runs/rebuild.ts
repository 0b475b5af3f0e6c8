import type { Attempt, RunOutcome } from '../../catalog/catalog.ts'
import { isSafetyPoint, labelsOf } from '../../model/recovery-point.ts'
import type { Report } from '../../model/report.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { listReports, REPORTS_FOLDER } from '../report/report-store.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** A catalog is a convenience. One that was lost gets back what reports and repositories still know. */

/** What restores, undos and verifications left reports of. Does nothing where the catalog knows any run. */
export async function rebuildFromReports(workspace: Workspace): Promise<void> {
  const { catalog } = workspace
  if ((await catalog.listRuns({ limit: 1 })).length > 0) return
  for (const report of await listReports(await workspace.stateFolder(REPORTS_FOLDER))) {
    if (report.about === undefined || report.outcome === 'planned') continue
    await saveRun(workspace, report.run, attemptOf(report, report.about))
  }
}

function attemptOf(report: Report, about: NonNullable<Report['about']>): Attempt {
  const { operation, source, repository, snapshot } = about
  const { startedAt, durationMs, outcome, findings } = report
  const finishedAt = new Date(startedAt.getTime() + durationMs)
  return {
    operation,
    source,
    repository,
    snapshot,
    startedAt,
    finishedAt,
    outcome: OUTCOMES[outcome],
    statistics: {},
    findings,
  }
}

const OUTCOMES: Readonly<Record<Report['outcome'], RunOutcome>> = {
  planned: 'done',
  done: 'done',
  incomplete: 'incomplete',
  failed: 'failed',
  'rolled-back': 'failed',
}

/** More of the past is of no use to anybody who asks what runs there were. */
const NEWEST = 100

/** This host's backups of a source, from its snapshots. Does nothing where the catalog knows any backup of this copy. */
export async function rebuildFromSnapshots(
  workspace: Workspace,
  copy: { readonly source: string; readonly repository: string },
  repository: Repository,
): Promise<void> {
  const { catalog, host } = workspace
  if ((await catalog.listAttempts({ operation: 'backup', ...copy, limit: 1 })).length > 0) return
  const { snapshots } = await repository.listSnapshots()
  const own = snapshots.filter(
    ({ tags, hostname, original }) =>
      labelsOf(tags).source === copy.source &&
      hostname === host.hostname &&
      // It was captured elsewhere.
      original === undefined &&
      !isSafetyPoint(tags),
  )
  for (const snapshot of own.slice(-NEWEST)) {
    const { run } = labelsOf(snapshot.tags)
    if (run !== undefined) await saveRun(workspace, run, backupOf(snapshot, copy))
  }
}

function backupOf({ id, tags, time, summary }: Snapshot, copy: Pick<Attempt, 'source' | 'repository'>): Attempt {
  const { incomplete } = labelsOf(tags)
  return {
    operation: 'backup',
    ...copy,
    snapshot: id,
    startedAt: summary?.backupStart ?? time,
    finishedAt: summary?.backupEnd ?? time,
    outcome: incomplete === undefined ? 'done' : 'incomplete',
    statistics: {},
    findings: [],
  }
}

/** Nobody knows any more which process it was. */
const NOBODY = { hostname: '', pid: 0 }

async function saveRun({ catalog }: Workspace, id: string, attempt: Attempt): Promise<void> {
  const [known] = await catalog.listRuns({ id, limit: 1 })
  const { operation, startedAt, finishedAt, outcome } = attempt
  if (known === undefined) await catalog.beginRun({ id, operation, startedAt, owner: NOBODY })
  await catalog.saveAttempt(id, attempt)
  const all = [...(known?.attempts ?? []).map(each => each.outcome), outcome]
  const end = all.every(each => each === outcome) ? outcome : 'incomplete'
  await catalog.endRun(id, { outcome: end, finishedAt, findings: [] })
}
