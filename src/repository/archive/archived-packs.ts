import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { ArchivedPack } from '../contract/archive.ts'
import { FOLDERS, fileKey, idOfKey } from '../format/file-keys.ts'

/** The packs that cannot be read now, by one listing; none, and no request, where the storage archives nothing. */
export async function listArchivedPacks(storage: Storage, signal: AbortSignal): Promise<Map<Id, ArchivedPack>> {
  const packs = new Map<Id, ArchivedPack>()
  const { archive } = storage
  if (archive === undefined) return packs
  for await (const object of storage.list(FOLDERS.pack, { signal })) {
    const id = idOfKey(object.key)
    if (object.archived === undefined || id === undefined || object.key !== fileKey('pack', id)) continue
    const { sizeBytes, archived } = object
    packs.set(id, { id, sizeBytes, isThawing: archived === 'thawing', thawMs: archive.thawMs(object) })
  }
  return packs
}
