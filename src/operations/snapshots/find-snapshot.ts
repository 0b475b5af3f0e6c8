import { AppError } from '../../base/errors.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'

/** How a person names a snapshot: the newest, the newest at or before a moment, or an id (prefix). */
export type SnapshotWish =
  | { readonly kind: 'latest' }
  | { readonly kind: 'at'; readonly time: Date }
  | { readonly kind: 'id'; readonly prefix: string }

/**
 * The snapshot that is meant, of one source or (undefined) of any.
 * Throws `snapshot-not-found`, saying what there is, or `ambiguous-id`.
 */
export async function getWishedSnapshot(
  repository: Repository,
  source: string | undefined,
  wish: SnapshotWish,
): Promise<Snapshot> {
  if (wish.kind === 'id') return getById(repository, source, wish.prefix)
  const { snapshots } = await repository.listSnapshots()
  const own = snapshots.filter(snapshot => source === undefined || labelsOf(snapshot.tags).source === source)
  const found = wish.kind === 'latest' ? own.at(-1) : own.findLast(snapshot => snapshot.time <= wish.time)
  if (found !== undefined) return found
  throw notFound(source, wish, own, snapshots)
}

async function getById(repository: Repository, source: string | undefined, prefix: string): Promise<Snapshot> {
  const snapshot = await repository.getSnapshot(prefix)
  const owner = labelsOf(snapshot.tags).source
  if (source === undefined || owner === source) return snapshot
  throw new AppError('snapshot-not-found', `snapshot ${prefix} is not of source ${source}`, {
    hint:
      owner === undefined
        ? 'It was written by another program; restore it with "-" in place of the source.'
        : `It is of source ${owner}; name that source instead.`,
  })
}

function notFound(
  source: string | undefined,
  wish: Exclude<SnapshotWish, { kind: 'id' }>,
  own: readonly Snapshot[],
  all: readonly Snapshot[],
): AppError {
  const whose = source === undefined ? 'in this repository' : `of source ${source}`
  const oldest = own[0]
  if (wish.kind === 'at' && oldest !== undefined) {
    return new AppError('snapshot-not-found', `no snapshot ${whose} at or before ${wish.time.toISOString()}`, {
      hint: `The oldest one is of ${oldest.time.toISOString()}.`,
    })
  }
  const sources = [...new Set(all.map(snapshot => labelsOf(snapshot.tags).source).filter(name => name !== undefined))]
  const others = sources.length > 0 ? ` There are snapshots of: ${sources.join(', ')}.` : ''
  return new AppError('snapshot-not-found', `no snapshot ${whose}`, {
    hint: `Run "lifeboat backup${source === undefined ? '' : ` ${source}`}" to take one.${others}`,
  })
}
