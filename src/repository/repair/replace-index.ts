import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { formatIndex, type IndexedPack, parseIndex } from '../format/index-file.ts'
import { parsePackEntries } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { SavedPack } from '../pack/pack-writer.ts'

/** restic's limit too: an index file stays near 8 MiB. */
const BLOBS_A_FILE = 50_000
const SMALL_BLOBS = 5_000
/** Small index files are joined once there are so many of them. */
const SMALL_FILES_AT_LEAST = 8

/** Index files that were there and could not be read. */
export async function findDamagedIndexes(files: RepositoryFiles, index: BlobIndex): Promise<Set<Id>> {
  if (index.findings.length === 0) return new Set()
  const loaded = new Set(index.indexIds)
  return new Set((await files.listIds('index')).filter(id => !loaded.has(id)))
}

/**
 * Stores index files that name the new packs and no more the gone ones, and returns the old files, which may be removed
 * from then on. Of a pack that is named already, what is added takes the place of what was said. Files that need no
 * change stay, unless there are many small ones.
 */
export async function replaceIndex(
  files: RepositoryFiles,
  change: { readonly gone: ReadonlySet<Id>; readonly added: readonly SavedPack[]; readonly damaged: ReadonlySet<Id> },
  signal: AbortSignal,
): Promise<Id[]> {
  const outdated = new Set([...change.gone, ...change.added.map(({ id }) => id)])
  const { changed, small } = await surveyIndex(files, { outdated, damaged: change.damaged }, signal)
  const old = small.length >= SMALL_FILES_AT_LEAST ? [...changed, ...small] : changed
  const done = new Set<Id>()
  let pending: IndexedPack[] = []
  let blobs = 0
  const flush = async (): Promise<void> => {
    if (pending.length > 0) await files.save('index', formatIndex(pending), signal)
    pending = []
    blobs = 0
  }
  const add = async (pack: IndexedPack): Promise<void> => {
    if (change.gone.has(pack.id) || done.has(pack.id)) return
    done.add(pack.id)
    pending.push(pack)
    blobs += pack.blobs.length
    if (blobs >= BLOBS_A_FILE) await flush()
  }
  for (const { id, entries } of change.added) await add({ id, ...parsePackEntries(entries, `pack ${shortId(id)}`) })
  for (const id of old) for (const pack of await loadIndex(files, id, signal)) await add(pack)
  await flush()
  return [...old, ...change.damaged]
}

async function surveyIndex(
  files: RepositoryFiles,
  { outdated, damaged }: { readonly outdated: ReadonlySet<Id>; readonly damaged: ReadonlySet<Id> },
  signal: AbortSignal,
): Promise<{ changed: Id[]; small: Id[] }> {
  const changed: Id[] = []
  const small: Id[] = []
  for (const id of await files.listIds('index')) {
    if (damaged.has(id)) continue
    const packs = await loadIndex(files, id, signal)
    const blobs = packs.reduce((sum, pack) => sum + pack.blobs.length, 0)
    if (packs.length === 0 || packs.some(pack => outdated.has(pack.id))) changed.push(id)
    else if (blobs < SMALL_BLOBS) small.push(id)
  }
  return { changed, small }
}

async function loadIndex(files: RepositoryFiles, id: Id, signal: AbortSignal): Promise<IndexedPack[]> {
  return parseIndex(await files.load('index', id, signal), `index ${shortId(id)}`)
}
