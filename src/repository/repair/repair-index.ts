import { forEachLimit } from '../../base/concurrency.ts'
import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { listPacks } from '../check/inventory.ts'
import { PackTable } from '../check/pack-table.ts'
import type { IndexRepair, RepairOptions } from '../contract/repairing.ts'
import { fileKey, shortId } from '../format/file-keys.ts'
import { parseIndex } from '../format/index-file.ts'
import { formatPackHeader, type PackedBlob } from '../format/pack-header.ts'
import { decodeUnpacked } from '../format/unpacked.ts'
import { BlobIndex } from '../index-store/blob-index.ts'
import type { SavedPack } from '../pack/pack-writer.ts'
import { restoreFile } from '../parity/heal.ts'
import { loadPackContents } from '../read/load-contents.ts'
import { healSmallFiles } from './heal-small-files.ts'
import type { RepairContext } from './repair-context.ts'
import { findDamagedIndexes, replaceIndex } from './replace-index.ts'

/**
 * Makes the index say what the packs hold, by their own headers. New index files are stored before old ones go, so that a
 * reader finds everything at every moment, and a run that was killed is simply repeated.
 */
export async function repairIndex(context: RepairContext, options: RepairOptions): Promise<IndexRepair> {
  const { files } = context
  const { signal, dryRun } = options
  const index = new BlobIndex({ files, cacheDir: undefined, random: context.random })
  await index.refresh(signal)
  const damaged = await findDamagedIndexes(files, index)
  const healed = await healSmallFiles(context, options)
  for (const id of damaged) {
    if (!(await healIndexFile(context, index, id, options))) continue
    damaged.delete(id)
    healed.push(fileKey('index', id))
  }
  const stored = await listPacks(context.storage, signal)
  const table = new PackTable(index)
  if (stored.size === 0 && table.packs.size > 0) throw nothingThere(context.storage.location)
  const gone = new Set([...table.ids()].filter(id => !stored.has(id)))
  for (const id of gone) {
    if (!(await restoreFile(context.storage, fileKey('pack', id), { sha256: id, dryRun, signal }))) continue
    gone.delete(id)
    healed.push(fileKey('pack', id))
  }
  const { added, findings } = await compareHeaders(context, { index, table, stored }, options)
  if (!dryRun) {
    const outdated = await replaceIndex(files, { gone, added, damaged }, signal)
    for (const id of outdated) await files.remove('index', id)
  }
  return {
    healed,
    damaged: [...damaged],
    indexed: added.map(({ id }) => id),
    dropped: [...gone],
    findings: [...findings, ...(gone.size > 0 ? [packsGone(gone)] : [])],
  }
}

/** By its parity: then it need not be made anew. */
async function healIndexFile(
  { storage, cipher, zstd }: RepairContext,
  index: BlobIndex,
  id: Id,
  { dryRun, signal }: RepairOptions,
): Promise<boolean> {
  const bytes = await restoreFile(storage, fileKey('index', id), { sha256: id, dryRun, signal })
  const subject = `index ${shortId(id)}`
  const opened = bytes && cipher.open(bytes)
  if (opened === undefined) return false
  const packs = parseIndex(decodeUnpacked(opened, zstd, subject), subject)
  await index.addIndexFile(
    id,
    packs.map(pack => ({ id: pack.id, blobs: pack.blobs.length, entries: formatPackHeader(pack.blobs) })),
  )
  return true
}

interface ToCompare {
  readonly index: BlobIndex
  readonly table: PackTable
  readonly stored: ReadonlyMap<Id, number>
}

/** Packs that the index does not describe as they are. */
async function compareHeaders(
  context: RepairContext,
  { index, table, stored }: ToCompare,
  { signal, onProgress }: RepairOptions,
): Promise<{ readonly added: readonly SavedPack[]; readonly findings: readonly Finding[] }> {
  const added: SavedPack[] = []
  const findings: Finding[] = []
  let done = 0
  await forEachLimit(stored, context.storage.traits.concurrency, async ([id, sizeBytes]) => {
    const isKnown = table.packs.has(id)
    const tailBytes = isKnown ? table.tailBytesOf(id) : undefined
    const contents = await loadPackContents(context, id, sizeBytes, signal, tailBytes)
    onProgress?.({ step: 'headers', done: ++done, total: stored.size, unit: 'items' })
    if ('reason' in contents) findings.push(unreadable(id, contents.reason, isKnown))
    else if (!isKnown || !isDescribed(index, table, id, contents.blobs)) {
      added.push({ id, entries: formatPackHeader(contents.blobs), blobs: contents.blobs.length })
    }
  })
  return { added, findings }
}

/** Says the index of the pack what it holds, and nothing else? */
function isDescribed(index: BlobIndex, table: PackTable, pack: Id, blobs: readonly PackedBlob[]): boolean {
  if (table.blobsOf(pack) !== blobs.length) return false
  return blobs.every(blob =>
    index
      .findAll(blob.type, blob.id)
      .some(place => place.packId === pack && place.offset === blob.offset && place.length === blob.length),
  )
}

/** What the index knows of it stays: it may be all that says where its blobs are. */
function unreadable(pack: Id, reason: string, isKnown: boolean): Finding {
  return {
    severity: 'warning',
    code: 'pack-damaged',
    subject: `pack ${shortId(pack)}`,
    message: `${reason}; ${isKnown ? 'the index stays as it is for it' : 'no index names it, and it cannot be indexed'}`,
    hint: isKnown
      ? 'Run "lifeboat repair packs" to save what can be read of it.'
      : 'Run "lifeboat check": if no snapshot needs it, "lifeboat prune" removes it.',
  }
}

/** Rather a disk that is not there than one that lost everything: the index would be thrown away for nothing. */
function nothingThere(location: string): AppError {
  return new AppError('damaged', `the index names packs, and there is not one in ${location}`, {
    hint: 'Bring the folder "data" back first; without it nothing can be repaired. Another repository may have everything: "lifeboat copy".',
  })
}

function packsGone(gone: ReadonlySet<Id>): Finding {
  const few = [...gone].slice(0, 5).map(shortId).join(', ')
  return {
    severity: 'warning',
    code: 'pack-missing',
    subject: 'index',
    message: `${gone.size === 1 ? 'a pack is' : `${gone.size} packs are`} gone, and the index names ${gone.size === 1 ? 'it' : 'them'} no more: ${few}${gone.size > 5 ? ', ...' : ''}`,
    hint: 'Run "lifeboat repair packs": it brings back what another repository has. If the packs come back, run this again.',
  }
}
