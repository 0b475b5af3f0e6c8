import type { RepositoryStatistics } from './contract/maintenance.ts'
import type { RepositoryFiles } from './files/repository-files.ts'
import { entryBytes, HEADER_LENGTH_BYTES, SEAL_BYTES } from './format/pack-header.ts'
import type { BlobIndex } from './index-store/blob-index.ts'
import { plaintextLength } from './read/blob-table.ts'

/** What the index knows; no pack is looked at. */
export async function statistics(files: RepositoryFiles, index: BlobIndex): Promise<RepositoryStatistics> {
  const snapshots = (await files.listIds('snapshot')).length
  await index.refresh()
  const packs = index.packIds().size
  let blobs = 0
  let storedBytes = packs * (SEAL_BYTES + HEADER_LENGTH_BYTES)
  let uncompressedBytes = 0
  for (const location of index.locations()) {
    blobs++
    storedBytes += location.length + entryBytes(location.uncompressedLength)
    uncompressedBytes += plaintextLength(location)
  }
  return { snapshots, packs, blobs, storedBytes, uncompressedBytes }
}
