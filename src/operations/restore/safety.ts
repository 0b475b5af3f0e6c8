import { AppError } from '../../base/errors.ts'
import type { Host } from '../../model/host.ts'
import type { Incomplete } from '../../model/incomplete.ts'
import { SAFETY_TAG } from '../../model/recovery-point.ts'
import type { Repository } from '../../repository/index.ts'
import type { Source, SourceContext } from '../../sources/source.ts'
import { type BackupResult, backup } from '../backup/backup.ts'

export interface SafetyRequest extends SourceContext {
  readonly run: string
  readonly repository: Repository
  /** Captures what is at the target now. */
  readonly source: Source
  readonly host: Host
  readonly programVersion: string
  readonly excludePaths: readonly string[]
  readonly changes: ChangesPath
  /** Only these tables are about to change. */
  readonly tables?: readonly string[] | undefined
}

/** Will the restore change what is at this path, or below it? `absent`: it was not captured at all. */
export type ChangesPath = (path: string, absent: boolean) => Promise<boolean>

/** Of a database, every part is changed. */
export const changesAll: ChangesPath = () => Promise.resolve(true)

/**
 * A recovery point of what a restore is about to change. It never is what `latest` means. Throws `target-invalid` when
 * something could not be captured that the restore would change: a way back that lacks it is none.
 */
export async function takeSafetyPoint(request: SafetyRequest): Promise<BackupResult> {
  const { run, changes, ...rest } = request
  const result = await backup({ ...rest, type: 'incremental', runId: run, tags: [SAFETY_TAG] })
  if (result.incomplete !== undefined) await requireUntouched(result.incomplete, changes)
  return result
}

async function requireUntouched({ count, entries }: Incomplete, changes: ChangesPath): Promise<void> {
  for (const { path, reason, absent } of entries) {
    if (await changes(path, absent)) throw noWayBack(path === '' ? 'what is there' : path, reason, entries)
  }
  if (count > entries.length) throw noWayBack(`${count} entries`, 'only the first of them are known', entries)
}

function noWayBack(what: string, reason: string, notCaptured: Incomplete['entries']): AppError {
  return new AppError('target-invalid', `${what} could not be captured before it is changed: ${reason}`, {
    hint: 'Run as a user who may read it, or name what to restore with --include PATH.',
    context: { notCaptured },
  })
}
