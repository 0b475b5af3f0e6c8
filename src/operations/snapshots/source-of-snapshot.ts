import { labelsOf } from '../../model/recovery-point.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { Source } from '../../sources/source.ts'
import type { Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** The configured source where it fits the snapshot, else one of the snapshot's kind that knows no more than `place`. */
export async function sourceOfSnapshot(
  workspace: Workspace,
  run: Run,
  { tags }: Snapshot,
  place: string,
): Promise<Source> {
  const { source, kind = workspace.foreignKind } = labelsOf(tags)
  if (source !== undefined && workspace.settings.sources.get(source)?.kind === kind) {
    return await workspace.source(source)
  }
  return run.closeLater(await workspace.sourceAt(source ?? 'snapshot', kind, place))
}
