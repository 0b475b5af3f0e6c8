import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { RecoveryRequest } from '../../sources/source.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'
import { readArchive } from '../logs/archive.ts'
import { getBaseFor } from '../logs/choose-base.ts'
import { getLogSource, logFolder } from '../logs/places.ts'
import { fetchedFolder } from '../logs/spool.ts'
import {
  type ChosenSnapshot,
  chooseAmong,
  chooseSnapshot,
  endOfSecond,
  NOT_WAITED_FOR,
} from '../snapshots/choose-snapshot.ts'
import type { SnapshotWish } from '../snapshots/find-snapshot.ts'
import type { Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { Moment, RestoreWish } from './wish.ts'

/** The recovery point that a wish means: for a moment of a source with a log, the backup from which the log reaches it. */
export async function choosePoint(workspace: Workspace, wish: RestoreWish, run: Run): Promise<ChosenSnapshot> {
  const { source, moment, point, repository, host } = wish
  const choose = (meant: SnapshotWish): Promise<ChosenSnapshot> =>
    chooseSnapshot(workspace, { source, wish: meant, repository, host }, finding =>
      run.tell({ kind: 'finding', finding }),
    )
  if (moment === undefined) return await choose(point ?? { kind: 'latest' })
  if (source === undefined || !workspace.hasLog(source)) return await choose(pointAt(source, moment, point))
  if (point === undefined) return await chooseBackup(workspace, run, { ...wish, source, moment })
  const chosen = await choose(point)
  // A backup that is named serves only for what happened after its end.
  if (moment.target.kind === 'immediate' || moment.target.kind === 'end') return chosen
  return await chooseBackup(workspace, run, { ...wish, source, moment }, chosen.snapshot.id)
}

/** Of a source without a log, a time means the last recovery point before it. */
function pointAt(source: string | undefined, { target }: Moment, point: SnapshotWish | undefined): SnapshotWish {
  if (target.kind === 'time' && point === undefined) {
    return { kind: 'at', time: endOfSecond(new Date(Math.floor(target.epochMicros / 1000))) }
  }
  throw new AppError('usage', `source ${source ?? 'of the snapshot'} has no log to recover from`, {
    hint: 'Name a snapshot, or --at TIME for the newest before that time. Only sources with a log go further.',
  })
}

/** The newest backup that ended before the target and reaches it, or the one that is named, from whichever repository. */
async function chooseBackup(
  workspace: Workspace,
  run: Run,
  { source, moment, repository: only, own = {} }: RestoreWish & { readonly source: string; readonly moment: Moment },
  snapshot?: string,
): Promise<ChosenSnapshot> {
  const { target, branch } = moment
  const tell = (finding: Finding): void => run.tell({ kind: 'finding', finding })
  // One that goes to the end of the log by itself where it comes to that needs no warning.
  const onFinding = workspace.reachesEnd(source, own) ? undefined : tell
  const now = workspace.clock.now()
  const request = { formats: workspace, source, target, branch, snapshot, now, signal: run.signal, onFinding }
  // What one repository lacks, another may have; which one was not asked has to be known.
  const tellOfLate = (finding: Finding): void => {
    if (finding.code === NOT_WAITED_FOR) tell(finding)
  }
  return await chooseAmong(workspace, only, tellOfLate, async repository =>
    repository.getSnapshot((await getBaseFor({ ...request, repository })).snapshot),
  )
}

/** How far a restored copy goes, and how it gets its log: it reads it, or is brought it by this very program. */
export async function recoveryRequestOf(
  workspace: Workspace,
  { repository, contents, snapshot }: ChosenSnapshot,
  source: string,
  { target, branch, inclusive }: Moment,
  signal: AbortSignal,
): Promise<RecoveryRequest> {
  const { kind, format } = await getLogSource(workspace, { source })
  const manifest = await loadManifest(contents, snapshot)
  const base = manifest && format.findBase(manifest)
  if (base === undefined) {
    throw new AppError('target-invalid', `no log goes on from snapshot ${snapshot.id.slice(0, SHORT_ID_DIGITS)}`, {
      hint: 'Restore it without a moment.',
    })
  }
  const log = { kind, id: base.log }
  return {
    target,
    branch,
    ...(inclusive === undefined ? {} : { inclusive }),
    log: {
      openLog: async () => (await readArchive(repository.logs, log, format, signal)).reader,
      fetchCommand: [...workspace.ownCommand, 'wal', 'fetch', '--source', source],
      fetchedFolder: await fetchedFolder(await logFolder(workspace), base.log),
    },
  }
}
