import { AppError } from '../../base/errors.ts'
import type { Host } from '../../model/host.ts'
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
}

/**
 * A recovery point of what a restore is about to change. It never is what `latest` means. Throws when what is there can't
 * be captured whole: a way back that is not complete is none.
 */
export async function takeSafetyPoint(request: SafetyRequest): Promise<BackupResult> {
  const { run, ...rest } = request
  const result = await backup({ ...rest, type: 'incremental', runId: run, tags: [SAFETY_TAG] })
  if (result.complete) return result
  const first = result.findings[0]
  throw new AppError('incomplete', `what is there could not be captured whole: ${first?.message ?? 'see findings'}`, {
    hint: 'Nothing was changed.',
    context: { findings: result.findings },
  })
}
