import { AppError } from '../../base/errors.ts'
import type { DamageRecord } from '../check/damage-record.ts'
import { BlobIndex } from '../index-store/blob-index.ts'
import type { PruneContext } from '../prune/context.ts'
import type { Others } from '../read/reader.ts'

/** What repairing needs of an opened repository. The caller holds the exclusive lock (in a dry run a shared one). */
export interface RepairContext extends Omit<PruneContext, 'turns'> {
  /** What checks and reads of this machine found to be bad. */
  readonly record: DamageRecord
  readonly others: Others | undefined
}

/** What is stored, not what is cached. Refuses (`damaged`) where index files cannot be read: they come first. */
export async function loadWholeIndex({ files, random }: RepairContext, signal: AbortSignal): Promise<BlobIndex> {
  const index = new BlobIndex({ files, cacheDir: undefined, random })
  await index.refresh(signal)
  const [first] = index.findings
  if (first === undefined) return index
  throw new AppError('damaged', `the index is damaged: ${first.message}`, {
    hint: 'Run "lifeboat repair index" first: without it nobody knows which packs hold what.',
  })
}
