import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { formatIndex, type IndexedPack, parseIndex } from '../format/index-file.ts'
import type { IndexTable } from './index-table.ts'

/** restic's limit too: an index file stays near 8 MiB. */
const BLOBS_A_FILE = 50_000
const SMALL_BLOBS = 5_000
/** Small index files are joined once there are so many of them. */
const SMALL_FILES_AT_LEAST = 8

/** Small index files that are worth joining. Where they cannot go, that would only add some. */
export function listJoinable(table: IndexTable, { traits, retention }: Storage): Id[] {
  const mayGo = traits.overwrites && retention?.lock === undefined
  const small = mayGo ? table.listSmall(SMALL_BLOBS) : []
  return small.length >= SMALL_FILES_AT_LEAST ? small : []
}

/**
 * Stores index files that name no more the gone packs, and returns the old files, which may be removed from then on. What
 * other files name is not named again: where old ones cannot be removed, the next time adds nothing.
 */
export async function rewriteIndex(
  files: RepositoryFiles,
  table: IndexTable,
  change: { readonly gone: ReadonlySet<Id>; readonly join: readonly Id[] },
  signal: AbortSignal,
): Promise<Id[]> {
  const old = new Set([...table.listNaming(change.gone), ...change.join])
  const isNamed = table.namedWithout(old)
  const done = new Set<Id>()
  let pending: IndexedPack[] = []
  let blobs = 0
  const flush = async (): Promise<void> => {
    if (pending.length > 0) {
      const id = await files.save('index', formatIndex(pending), signal)
      table.add(
        id,
        pending.map(pack => ({ id: pack.id, blobs: pack.blobs.length })),
      )
    }
    pending = []
    blobs = 0
  }
  for (const id of old) {
    for (const pack of parseIndex(await files.load('index', id, signal), `index ${shortId(id)}`)) {
      if (change.gone.has(pack.id) || done.has(pack.id) || isNamed(pack.id)) continue
      done.add(pack.id)
      pending.push(pack)
      blobs += pack.blobs.length
      if (blobs >= BLOBS_A_FILE) await flush()
    }
  }
  await flush()
  return [...old]
}
