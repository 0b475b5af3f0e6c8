import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { fileKey, shortId } from '../format/file-keys.ts'
import type { PruneContext } from './context.ts'
import { listJoinable, rewriteIndex } from './rewrite-index.ts'
import type { Survey } from './survey.ts'
import { addUsedBlobs, refusal, rootsOf } from './used-blobs.ts'
import type { Waiting } from './waiting.ts'

/** What is to go in one turn. */
export interface Drop {
  /** Packs that the index names; what is needed of them is elsewhere. */
  readonly packs: Iterable<Id>
  /** Packs that no index named when they were listed. */
  readonly orphans: readonly Id[]
  /**
   * Where the storage is too full for the new index, this is called with packs of which nothing is needed, until it is
   * not. Undefined: a full storage is an error.
   */
  readonly freeFirst?: ((pack: Id) => Promise<void>) | undefined
}

/**
 * The moment of a prune for which nobody else may use the repository: what was stored since the survey is looked at, then
 * the packs go from the index. Returns packs that no index names any more and no snapshot needs; since none that begins
 * later sees them in the index, they are deleted afterwards, while backups go on.
 */
export async function dropFromIndex(
  context: PruneContext,
  survey: Survey,
  { packs, orphans, freeFirst }: Drop,
  waiting: Waiting,
): Promise<Id[]> {
  return await context.turns.exclusively(async signal => {
    const indexed = await learnNew(context, survey, signal)
    const gone = new Set(packs)
    keepNeeded(survey, gone)
    const unnamed = orphans.filter(id => !indexed.has(id))
    const free = freeFirst && freeing(survey, [...unnamed, ...gone], freeFirst)
    const outdated = await rewrite(context, survey, gone, free, signal)
    for (const id of await removeIndexes(context, survey, outdated, waiting)) {
      // As long as an index names a pack, a backup may rely on it.
      for (const pack of survey.indexTable.packsOf(id)) if (gone.delete(pack)) waiting.add(pack)
    }
    return [...gone, ...unnamed]
  })
}

/** What backups stored since the survey. Returns all packs that the index names now. */
async function learnNew(context: PruneContext, survey: Survey, signal: AbortSignal): Promise<ReadonlySet<Id>> {
  const { index, used, snapshots } = survey
  const known = index.damagedIds
  await index.refresh(signal)
  const damaged = [...index.damagedIds].find(id => !known.has(id))
  if (damaged !== undefined) throw refusal(new AppError('damaged', `index ${shortId(damaged)} cannot be read`))
  const added = (await context.files.listIds('snapshot')).filter(id => !snapshots.has(id))
  await addUsedBlobs(used, { ...context, index }, await rootsOf(context.files, added, signal), signal)
  for (const id of added) snapshots.add(id)
  return index.packIds()
}

/** A new snapshot may need what nothing needed at the survey: then a pack that has it stays. */
function keepNeeded({ index, used, planned }: Survey, gone: Set<Id>): void {
  const keep = (type: BlobType, id: Id): void => {
    const packs = index.findAll(type, id).map(({ packId }) => packId)
    const [first] = packs
    if (first === undefined) {
      throw refusal(new AppError('damaged', `${type} blob ${shortId(id)}, which a snapshot needs, is in no index`))
    }
    if (packs.every(pack => gone.has(pack))) gone.delete(first)
  }
  for (let at = planned.trees; at < used.trees.size; at++) keep('tree', used.trees.idAt(at))
  for (let at = planned.data; at < used.data.size; at++) keep('data', used.data.idAt(at))
}

/** Makes room by the largest pack that is left; false when there is none. */
function freeing({ stored }: Survey, packs: readonly Id[], free: (pack: Id) => Promise<void>): () => Promise<boolean> {
  const left = packs.toSorted((a, b) => (stored.get(a) ?? 0) - (stored.get(b) ?? 0))
  return async () => {
    const next = left.pop()
    if (next !== undefined) await free(next)
    return next !== undefined
  }
}

/** Stores the index without what is gone. Returns the files that it takes the place of. */
async function rewrite(
  { files, storage }: PruneContext,
  { indexTable, index, findings }: Survey,
  gone: ReadonlySet<Id>,
  free: (() => Promise<boolean>) | undefined,
  signal: AbortSignal,
): Promise<Id[]> {
  const join = listJoinable(indexTable, storage)
  for (;;) {
    throwIfAborted(signal)
    try {
      const outdated = await rewriteIndex(files, indexTable, { gone, join }, signal)
      return [...outdated, ...index.damagedIds]
    } catch (error) {
      if (free === undefined || !isAppError(error, 'storage-full')) throw error
      if (await free()) continue
      findings.push(INDEX_OUTDATED)
      return []
    }
  }
}

const INDEX_OUTDATED: Finding = {
  severity: 'warning',
  code: 'index-outdated',
  subject: 'index',
  message: 'the storage is too full for a new index: the old one still names packs that are gone',
  hint: 'Run "lifeboat prune" when there is room again, before restic or another program backs up here.',
}

/** Until the new index is there, the old one is right. Returns the files that the storage does not let go of. */
async function removeIndexes(
  { files, storage }: PruneContext,
  { indexTable }: Survey,
  ids: readonly Id[],
  waiting: Waiting,
): Promise<Id[]> {
  const refused: Id[] = []
  for (const id of ids) {
    try {
      await files.remove('index', id)
      indexTable.remove(id)
    } catch (error) {
      if (!isAppError(error, 'storage-locked')) throw error
      await waiting.note(storage, fileKey('index', id), error)
      refused.push(id)
    }
  }
  return refused
}
