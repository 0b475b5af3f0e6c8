import { forEachLimit } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryContext } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { BlobMover, type RepackingWorkers } from '../pack/move-blobs.ts'
import type { PackWriter } from '../pack/pack-writer.ts'
import { loadRange } from '../read/load-range.ts'
import { readPackContents } from '../read/pack-contents.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import { groupsOf, placesFromIndex } from './from-index.ts'
import type { PackUse } from './plan.ts'
import type { PackUsage } from './usage.ts'
import { refusal } from './used-blobs.ts'

export interface RepackContext extends RepositoryContext {
  readonly workers: RepackingWorkers
  readonly usage: PackUsage
  readonly index: BlobIndex
  readonly packs: PackWriter
  readonly signal: AbortSignal
}

/**
 * Moves the needed blobs of some packs to new ones, sealed as they are. Returns findings for the packs that are damaged;
 * those must be kept.
 */
export async function repack(
  context: RepackContext,
  packs: readonly PackUse[],
  onDone: (pack: PackUse) => void,
): Promise<Map<Id, Finding>> {
  const { workers, signal, usage, cipher } = context
  const mover = new BlobMover({ ...context, from: context, fromKeys: undefined, tools: context })
  const memory = new RecycledMemory(workers.size)
  const damaged = new Map<Id, Finding>()
  const repackOne = async (pack: PackUse, bytes: Uint8Array, wanted: readonly PackedBlob[]): Promise<void> => {
    const missing = pack.usedBlobs - wanted.length
    const moved = await mover.move(bytes, 0, wanted)
    memory.give(moved.memory)
    const lost = missing + moved.lost.length
    if (lost > 0) damaged.set(pack.id, damagedPack(pack.id, lost))
    onDone(pack)
  }
  const broken: PackUse[] = []
  await forEachLimit(packs, workers.size, async pack => {
    throwIfAborted(signal)
    const bytes = await loadPack(context, pack, memory)
    const contents = readPackContents(bytes, bytes.length, `pack ${shortId(pack.id)}`, cipher)
    if ('reason' in contents) broken.push(pack)
    else await repackOne(pack, bytes, wantedOf(usage, pack, contents.blobs))
  })
  // Where the header is damaged the index tells: what it says was compared with the pack's size before.
  for (const group of groupsOf(broken)) {
    const places = placesFromIndex(context.index, usage, group)
    await forEachLimit(group, workers.size, async pack => {
      throwIfAborted(signal)
      await repackOne(pack, await loadPack(context, pack, memory), places.get(pack.id) ?? [])
    })
  }
  return damaged
}

async function loadPack(
  { storage, signal }: RepackContext,
  pack: PackUse,
  memory: RecycledMemory,
): Promise<Uint8Array> {
  const length = pack.usedBytes + pack.unusedBytes
  const bytes = await loadRange(storage, { packId: pack.id, offset: 0, length }, signal, memory.take(length))
  if (!(bytes instanceof Uint8Array)) throw refusal(invalid(`pack ${shortId(pack.id)}`, bytes.reason))
  return bytes
}

/** What is needed of what the pack's own header names, each once. */
export function wantedOf(usage: PackUsage, pack: PackUse, blobs: readonly PackedBlob[]): PackedBlob[] {
  const seen = new Set<string>()
  return blobs.filter(({ type, id }) => {
    const key = `${type} ${id}`
    if (seen.has(key) || !usage.isChosen(pack.id, type, id)) return false
    seen.add(key)
    return true
  })
}

function damagedPack(pack: Id, lost: number): Finding {
  return {
    severity: 'error',
    code: 'pack-damaged',
    subject: `pack ${shortId(pack)}`,
    message: `${lost} needed ${lost === 1 ? 'blob' : 'blobs'} in the pack ${lost === 1 ? 'is' : 'are'} damaged; it was kept as it is`,
    hint: 'Run "lifeboat check --read-data" to see which snapshots are hurt.',
  }
}
