import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'

/** The packs that the index names and the storage does not have. */
export async function findMissingPacks(files: RepositoryFiles, index: BlobIndex): Promise<Id[]> {
  const stored = new Set(await files.listIds('pack'))
  return [...index.packIds()].filter(id => !stored.has(id))
}

/**
 * Nothing is deleted under a lock, unless somebody took it for dead. Then a snapshot could name what is not there:
 * `damaged` when packs went away that were there when the writing began, or that it stored itself.
 */
export async function requirePacks(files: RepositoryFiles, index: BlobIndex, before: ReadonlySet<Id>): Promise<void> {
  const gone = (await findMissingPacks(files, index)).filter(id => !before.has(id))
  const [first] = gone
  if (first === undefined) return
  const what = gone.length === 1 ? `pack ${shortId(first)} was` : `${gone.length} packs (${shortId(first)}, ...) were`
  throw new AppError('damaged', `${what} deleted while this backup ran, so no snapshot was written`, {
    hint: 'Run the backup again: it stores anew what is missing. Then run "lifeboat check".',
    context: { packs: gone },
  })
}
