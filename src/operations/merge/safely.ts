import type { Finding } from '../../model/finding.ts'
import type { ReportStep } from '../../model/report.ts'
import { guard } from '../restore/guard.ts'
import type { JournalEntry } from '../restore/journal.ts'
import { type RestorePlaces, restoreSafetyAt, takeSafetyAt } from '../restore/places.ts'
import { type MergeRequest, type MergeResult, merge } from './merge.ts'
import { mergeFindings } from './report.ts'

export interface SafeMergeRequest extends Omit<MergeRequest, 'dryRun' | 'beforeChange'> {
  readonly places: RestorePlaces
  readonly run: string
  /** Name of the repository in the configuration. */
  readonly repositoryName: string
  /** The target as it may be written down. */
  readonly place: string
}

export interface SafeMergeResult extends MergeResult {
  readonly run: string
  readonly entry: JournalEntry
  readonly steps: readonly ReportStep[]
  readonly findings: readonly Finding[]
}

/** Merges so that it can be undone, and undoes it itself when something after it fails. Throws as `merge` does. */
export async function mergeSafely(request: SafeMergeRequest): Promise<SafeMergeResult> {
  const { places, run, source, snapshot, place, repositoryName } = request
  const subject = {
    run,
    source: source.name,
    kind: source.kind,
    target: place,
    repository: repositoryName,
    snapshot: snapshot.id,
  }
  const { result, entry, steps, findings } = await guard(
    {
      ...request,
      target: place,
      journal: places.journal,
      entry: {
        ...subject,
        operation: 'restore',
        strategy: 'merge',
        places: [place],
        existed: true,
        undoOf: undefined,
        tookKeptAs: undefined,
      },
      hooks: await places.hooksOf(source.name, place),
      takeSafety: tables => takeSafetyAt(places, subject, { tables }),
      restoreSafety: (state, unless) => restoreSafetyAt(places, subject, state, unless),
    },
    async ({ beforeChange, log }) => {
      const merged = await log.step(
        'merged',
        () => merge({ ...request, dryRun: false, beforeChange }),
        ({ tables }) => ({ rows: tables.reduce((sum, table) => sum + table.added + table.updated, 0) }),
      )
      return { merged, tables: merged.wrote && { ...merged.wrote, changed: [...merged.wrote.changed], created: [] } }
    },
  )
  return { ...result.merged, run, entry, steps, findings: [...findings, ...mergeFindings(result.merged, source.name)] }
}
