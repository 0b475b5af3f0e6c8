import { AppError } from '../../base/errors.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import { type ArchivedPacks, archivedFor, isManifestArchived, thaw } from '../archive/archived.ts'
import type { FoundSnapshot } from '../snapshots/choose-snapshot.ts'
import type { Run } from '../workspace/run.ts'
import type { RestoreWish } from './wish.ts'

export const AGAIN = 'Run the same command again then'

/**
 * What a restore needs that cannot be read now. A copied snapshot's manifest lies with the data, and without it nothing can
 * be said of what would come: then it is waited for where the wish says so, else this is `storage-archived`.
 */
export async function lookForArchived(found: FoundSnapshot, wish: RestoreWish, run: Run): Promise<ArchivedPacks> {
  const { name, repository, snapshot } = found
  const { archive } = repository
  const packs = await archivedFor(repository, snapshot, wish.include ?? [], run.signal)
  const archived = { repository: name, packs }
  if (archive === undefined || packs.length === 0) return archived
  if (!(await isManifestArchived(repository, snapshot, run.signal))) return archived
  if (wish.waitForArchive !== true) throw withoutManifest(snapshot.id)
  await thaw({ ...archived, archive, wait: true, again: AGAIN }, run)
  return { repository: name, packs: [] }
}

function withoutManifest(snapshot: string): AppError {
  const id = snapshot.slice(0, SHORT_ID_DIGITS)
  return new AppError(
    'storage-archived',
    `the manifest of snapshot ${id} is archived, so nothing can be said of what would come`,
    {
      hint: 'Add --wait: it asks the service for all that the restore needs, waits, and goes on. Copies have their manifests with the data.',
    },
  )
}
