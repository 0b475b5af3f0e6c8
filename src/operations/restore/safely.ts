import type { Finding } from '../../model/finding.ts'
import type { ReportStep } from '../../model/report.ts'
import { changesOrRemoves, changesPath } from './changed-paths.ts'
import { guard } from './guard.ts'
import type { JournalEntry, Strategy } from './journal.ts'
import { type RestorePlaces, restoreSafetyAt, takeSafetyAt } from './places.ts'
import { type RestoreOperationRequest, type RestoreResult, restore } from './restore.ts'
import { type ChangesPath, changesAll } from './safety.ts'
import { swaps } from './swapping.ts'

export interface SafeRestoreRequest
  extends Omit<RestoreOperationRequest, 'force' | 'delta' | 'beforeChange' | 'lastLook' | 'keepAs'> {
  readonly places: RestorePlaces
  readonly run: string
  /** Name of the repository in the configuration. */
  readonly repositoryName: string
  readonly strategy: Exclude<Strategy, 'merge'>
  /** The target as it may be written down, and whether there is something: as the survey of the plan says. */
  readonly place: string
  readonly existed: boolean
  /** All that may change, as the survey says. */
  readonly planned: readonly string[]
  /** In place: compare block by block. */
  readonly delta: boolean
  readonly onStep?: ((name: string) => void) | undefined
}

export interface SafeRestoreResult extends RestoreResult {
  readonly run: string
  readonly strategy: Strategy
  /** How it can be taken back, and what lies beside. */
  readonly entry: JournalEntry
  readonly steps: readonly ReportStep[]
}

/** Restores so that it can be undone, and undoes it itself when it fails. Throws as `restore` does, and says what is there. */
export async function restoreSafely(request: SafeRestoreRequest): Promise<SafeRestoreResult> {
  const { places, run, source, snapshot, strategy, place, existed } = request
  const subject = {
    run,
    source: source.name,
    kind: source.kind,
    target: place,
    repository: request.repositoryName,
    snapshot: snapshot.id,
  }
  const guarded = await guard(
    {
      ...request,
      journal: places.journal,
      entry: {
        ...subject,
        operation: 'restore',
        strategy,
        places: [...request.planned],
        existed,
        files: writesInto(request)
          ? {
              repository: request.repositoryName,
              snapshot: snapshot.id,
              include: [...request.include],
              ...(request.delete === undefined ? {} : { deletes: true }),
            }
          : undefined,
        undoOf: undefined,
        tookKeptAs: undefined,
      },
      hooks: await places.hooksOf(source.name, place),
      takeSafety: tables => takeSafetyAt(places, subject, { changes: changesOf(request), tables }),
      restoreSafety: (state, unless) => restoreSafetyAt(places, subject, state, unless),
    },
    ({ beforeChange, lastLook, keepAs, log }) =>
      log.step(
        'restored and checked',
        () =>
          restore({
            ...request,
            // What came there since the survey is nobody's to replace.
            force: existed,
            delta: strategy === 'in-place' && request.delta,
            beforeChange,
            lastLook,
            keepAs:
              swaps(source) && (strategy === 'replace' || source.traits.wayBack === 'snapshot') ? keepAs : undefined,
          }),
        result => ({ bytes: result.totalBytes }),
      ),
  )
  const { result, entry, steps } = guarded
  const findings: Finding[] = [...guarded.findings, ...result.findings]
  return { ...result, findings, run, strategy, entry, steps }
}

/** A folder is changed where the snapshot has something for it; a database as a whole. */
function changesOf(request: SafeRestoreRequest): ChangesPath {
  const { repository, snapshot, include, source } = request
  if (source.traits.consistency !== 'per-file') return changesAll
  if (request.delete !== undefined) return path => changesOrRemoves(repository, snapshot, include, path)
  return path => changesPath(repository, snapshot, include, path)
}

/** A folder where all that is not in the snapshot stays. */
function writesInto({ strategy, source, existed }: SafeRestoreRequest): boolean {
  return existed && strategy === 'in-place' && source.traits.consistency === 'per-file'
}
