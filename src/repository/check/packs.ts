import { forEachLimit } from '../../base/concurrency.ts'
import { isAppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Id } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'
import { type PackedBlob, parsePackHeader } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { openBlob } from '../pack/blob.ts'
import { loadRange } from '../read/load-range.ts'
import { readPackContents } from '../read/pack-contents.ts'
import type { Reader } from '../read/reader.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import type { Damage, OpenFinding } from './damage.ts'
import type { PackTable } from './pack-table.ts'
import type { VerifyOutcome } from './verify-job.ts'

export interface PacksToCheck extends Reader {
  readonly index: BlobIndex
  readonly table: PackTable
  /** As listed, after the index was read. */
  readonly stored: ReadonlyMap<Id, number>
  readonly signal: AbortSignal
}

const RESTORE_HINT =
  'Run "lifeboat repair packs": it brings back what parity or another repository has. Then run "lifeboat backup": what still exists at the source is stored anew.'
const INDEX_HINT = 'Run "lifeboat repair index" to write the index anew from the packs.'

/** Are all packs of the index there, with the right size? Returns those that are. */
export function checkPackSizes({ table, stored }: PacksToCheck, damage: Damage): Id[] {
  const whole: Id[] = []
  for (const pack of table.ids()) {
    const sizeBytes = stored.get(pack)
    const expected = table.sizeOf(pack)
    if (sizeBytes === expected) whole.push(pack)
    else if (sizeBytes === undefined) damage.addBadPack(packError('pack-missing', pack, 'the pack is missing'), pack)
    else {
      const message = `the pack has ${sizeBytes} bytes instead of ${expected}`
      // A cut pack may still give back what lies before the cut; nobody should rely on it.
      damage.addBadPack(packError('pack-truncated', pack, message), pack)
    }
  }
  if (table.duplicates > 0) damage.add(duplicatesFinding(table), [])
  for (const pack of stored.keys()) {
    if (table.packs.has(pack)) continue
    damage.add(
      {
        severity: 'info',
        code: 'pack-unreferenced',
        subject: `pack ${shortId(pack)}`,
        message: 'no index names this pack, as a backup that was stopped leaves behind',
        hint: 'Run "lifeboat prune" to free its space.',
      },
      [],
    )
  }
  return whole
}

/** Does each pack's own header say what the index says? Loads the ends of the packs only. */
export async function checkPackHeaders(from: PacksToCheck, packs: readonly Id[], damage: Damage): Promise<void> {
  const limit = from.storage.traits.concurrency
  await forEachLimit(packs, limit, async pack => {
    const packBytes = from.table.sizeOf(pack)
    const length = from.table.tailBytesOf(pack)
    const tail = await loadRange(from.storage, { packId: pack, offset: packBytes - length, length }, from.signal)
    if (!(tail instanceof Uint8Array)) return damage.addBadPack(packError('pack-missing', pack, tail.reason), pack)
    const contents = readPackContents(tail, packBytes, `pack ${shortId(pack)}`, from.cipher)
    if ('reason' in contents) await checkByIndex(from, pack, contents.reason, damage)
    else compareWithIndex(from, pack, contents.blobs, damage)
  })
}

export interface PackReading {
  readonly onRead: (bytes: number) => void
  /** Every byte of the pack is right. */
  readonly onSound: (pack: Id) => void
}

/** Reads whole packs and checks every byte. */
export async function checkPackData(
  from: PacksToCheck,
  packs: readonly Id[],
  damage: Damage,
  { onRead, onSound }: PackReading,
): Promise<void> {
  const packsAtOnce = from.workers.size + 1
  const memory = new RecycledMemory(packsAtOnce)
  await forEachLimit(packs, packsAtOnce, async pack => {
    const length = from.table.sizeOf(pack)
    const bytes = await loadRange(from.storage, { packId: pack, offset: 0, length }, from.signal, memory.take(length))
    if (!(bytes instanceof Uint8Array)) return damage.addBadPack(packError('pack-missing', pack, bytes.reason), pack)
    onRead(bytes.length)
    const outcome = await from.workers.verify({ pack, bytes })
    memory.give(outcome.bytes)
    if (await report(from, pack, outcome, damage)) onSound(pack)
  })
}

/** Is the pack sound? */
async function report(from: PacksToCheck, pack: Id, outcome: VerifyOutcome, damage: Damage): Promise<boolean> {
  const { header, damaged, isNamed } = outcome
  if (!(header instanceof Uint8Array)) {
    await checkByIndex(from, pack, header.reason, damage)
    return false
  }
  const blobs = parsePackHeader(header, from.table.sizeOf(pack), `pack ${shortId(pack)}`)
  if (!compareWithIndex(from, pack, blobs, damage)) return false
  if (damaged.length > 0) {
    const what = `${damaged.length} of ${blobs.length} ${blobs.length === 1 ? 'blob' : 'blobs'} in the pack`
    const message = `${what} ${damaged.length === 1 ? 'is' : 'are'} damaged`
    damage.addBadCopies(packError('pack-damaged', pack, message), pack, damaged)
  } else if (!isNamed) {
    const message = 'its content does not match its name, although all blobs are whole'
    damage.addBadCopies(packError('pack-damaged', pack, message), pack, [])
  }
  return isNamed && damaged.length === 0
}

/** A pack whose header cannot be read: its blobs are looked at where the index says that they are. */
async function checkByIndex(from: PacksToCheck, pack: Id, reason: string, damage: Damage): Promise<void> {
  const finding = packError('pack-damaged', pack, reason)
  const length = from.table.sizeOf(pack)
  const bytes = await loadRange(from.storage, { packId: pack, offset: 0, length }, from.signal)
  if (!(bytes instanceof Uint8Array)) return damage.addBadPack(finding, pack)
  const bad: BlobLocation[] = []
  for (const place of from.index.locations()) {
    if (place.packId !== pack) continue
    try {
      openBlob(bytes.subarray(place.offset, place.offset + place.length), place, from.cipher, from.zstd)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      bad.push(place)
    }
  }
  damage.addBadCopies(finding, pack, bad)
}

/** Every entry of the header has its place in the index, and there are no others. */
function compareWithIndex(from: PacksToCheck, pack: Id, blobs: readonly PackedBlob[], damage: Damage): boolean {
  const isKnown = (blob: PackedBlob): boolean =>
    from.index
      .findAll(blob.type, blob.id)
      .some(place => place.packId === pack && place.offset === blob.offset && place.length === blob.length)
  if (blobs.length === from.table.blobsOf(pack) && blobs.every(isKnown)) return true
  const message = 'the index says that the pack holds other blobs than it does'
  damage.addBadPack({ ...packError('pack-swapped', pack, message), hint: INDEX_HINT }, pack)
  return false
}

function duplicatesFinding({ duplicates, duplicateBytes }: PackTable): OpenFinding['finding'] {
  return {
    severity: 'info',
    code: 'blobs-duplicate',
    subject: 'index',
    message: `${duplicates} ${duplicates === 1 ? 'blob is' : 'blobs are'} stored more than once (${formatSize(duplicateBytes)}), as after backups at the same time, or after damage`,
    hint: 'Run "lifeboat prune" to free their space.',
  }
}

function packError(code: string, pack: Id, message: string): OpenFinding['finding'] {
  return { severity: 'error', code, subject: `pack ${shortId(pack)}`, message, hint: RESTORE_HINT }
}
