import { forEachLimit } from '../../base/concurrency.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { findAffected } from '../check/affected.ts'
import { packsOf } from '../check/bad-places.ts'
import { Damage } from '../check/damage.ts'
import { listPacks } from '../check/inventory.ts'
import { NotedDamage } from '../check/noted-damage.ts'
import { PackTable } from '../check/pack-table.ts'
import type { PacksRepair, RepairedPack, RepairOptions } from '../contract/repairing.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { fileKey, shortId } from '../format/file-keys.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { restoreFile } from '../parity/heal.ts'
import type { Reader } from '../read/reader.ts'
import { type DamagedPack, examinePack, groupsOfPacks, placesByPack, type Suspects } from './damaged-packs.ts'
import { findNeededBlobs, type NeededBlobs } from './needed-blobs.ts'
import { loadWholeIndex, type RepairContext } from './repair-context.ts'
import { replaceIndex } from './replace-index.ts'
import { resolveIds } from './resolve-ids.ts'
import { type BlobTaker, CountingTaker, MovingTaker } from './take-blobs.ts'

/** Where damaged packs are put aside of which something is lost, beside restic's folders. */
export const ASIDE = 'damaged/'

/**
 * Brings what is whole in damaged packs into new ones, and what is not from wherever it can be had: another pack, another
 * repository. Then the index names the new packs and no more the damaged ones, and these go. What nobody has any more is
 * named, with the snapshots that need it.
 *
 * @param ids of packs, or their first digits; empty: those that are missing, have another size than the index says, or were found damaged on this machine
 */
export async function repairPacks(
  context: RepairContext,
  snapshots: readonly Snapshot[],
  ids: readonly Id[],
  options: RepairOptions,
): Promise<PacksRepair> {
  const { signal, dryRun } = options
  const index = await loadWholeIndex(context, signal)
  const suspects = { index, table: new PackTable(index), stored: await listPacks(context.storage, signal) }
  const noted = new NotedDamage(context.record)
  const reader: Reader = { ...context, index, others: context.others }
  const needed = await findNeededBlobs({ ...reader, noted }, snapshots, signal)
  await noted.keep()
  const taker = dryRun ? new CountingTaker(reader, signal) : new MovingTaker(context, reader, signal)
  const repair = new PackRepair(context, { suspects, needed, taker, options })
  try {
    await repair.run(await chooseSuspects(context, suspects, ids))
    await taker.finish()
  } finally {
    await taker.idle()
  }
  const report = await repair.report(reader, snapshots)
  if (!dryRun) await replacePacks(context, repair, taker, signal)
  return report
}

/** New packs are stored by now. Index before anything goes; a pack that is hurt for good is put aside first. */
async function replacePacks(
  context: RepairContext,
  { packs, lossy }: PackRepair,
  taker: BlobTaker,
  signal: AbortSignal,
): Promise<void> {
  const { files, record } = context
  const gone = new Set(packs.flatMap(({ id, healed }) => (healed ? [] : [id])))
  await record.settle(new Set(packs.map(({ id }) => id)))
  if (gone.size === 0 && taker.saved.length === 0) return
  const outdated = await replaceIndex(files, { gone, added: taker.saved, damaged: new Set() }, signal)
  for (const id of outdated) await files.remove('index', id)
  for (const { id, state, healed } of packs) {
    throwIfAborted(signal)
    if (healed) continue
    if (lossy.has(id)) await putAside(context, id, signal)
    if (state !== 'missing') await removeIfAllowed(context, id)
  }
}

/** Somebody may still get something out of it, or it was a bad cable and no bad disk. */
async function putAside({ storage }: RepairContext, pack: Id, signal: AbortSignal): Promise<void> {
  if (storage.traits.keys !== 'any') return
  try {
    await storage.save(`${ASIDE}${pack}`, await storage.load(fileKey('pack', pack), { signal }), { signal })
  } catch (error) {
    // What cannot be read cannot be kept; one that was put aside before is there.
    if (!isAppError(error, 'storage-not-found') && !isAppError(error, 'storage-exists')) throw error
  }
}

/** Where nothing may be removed yet it stays, and no index names it. */
async function removeIfAllowed({ files }: RepairContext, pack: Id): Promise<void> {
  try {
    await files.remove('pack', pack)
  } catch (error) {
    if (!isAppError(error, 'storage-denied') && !isAppError(error, 'storage-locked')) throw error
  }
}

async function chooseSuspects(
  { record }: RepairContext,
  { index, table, stored }: Suspects,
  ids: readonly Id[],
): Promise<Id[]> {
  if (ids.length > 0) return resolveIds(ids, [...new Set([...index.packIds(), ...stored.keys()])], 'pack')
  const noted = [...packsOf(await record.load())].filter(pack => table.packs.has(pack))
  const wrong = [...index.packIds()].filter(pack => stored.get(pack) !== table.sizeOf(pack))
  return [...new Set([...noted, ...wrong])]
}

interface Parts {
  readonly suspects: Suspects
  readonly needed: NeededBlobs
  readonly taker: BlobTaker
  readonly options: RepairOptions
}

class PackRepair {
  readonly packs: RepairedPack[] = []
  /** Packs of which something is lost, and the finding that says so. */
  readonly lossy = new Map<Id, number>()
  readonly #context: RepairContext
  readonly #parts: Parts
  readonly #damage = new Damage()
  readonly #sound: Id[] = []
  #fetched = 0
  #absent = 0

  constructor(context: RepairContext, parts: Parts) {
    this.#context = context
    this.#parts = parts
  }

  async run(packs: readonly Id[]): Promise<void> {
    const { suspects, options } = this.#parts
    let done = 0
    for (const group of groupsOfPacks(packs, suspects.table)) {
      const places = placesByPack(suspects.index, group)
      await forEachLimit(group, this.#context.workers.size, async id => {
        const pack = await examinePack(this.#context, id, suspects, places.get(id) ?? [], options.signal)
        if (pack === undefined) this.#sound.push(id)
        else await this.#repair(pack)
        options.onProgress?.({ step: 'packs', done: ++done, total: packs.length, unit: 'items' })
      })
    }
    await this.#fetchAbsent()
  }

  /** By parity the pack is what it was, under its name: nothing else need change. */
  async #heal({ id, state }: DamagedPack): Promise<boolean> {
    const { dryRun, signal } = this.#parts.options
    const { storage } = this.#context
    if (!(await restoreFile(storage, fileKey('pack', id), { sha256: id, dryRun, signal }))) return false
    this.packs.push({ id, state, healed: true, salvaged: 0, found: 0, lost: 0 })
    return true
  }

  async #repair(pack: DamagedPack): Promise<void> {
    if (await this.#heal(pack)) return
    const { taker } = this.#parts
    const bad = await taker.takeWhole(pack)
    let [found, lost] = [0, 0]
    for (const blob of bad) {
      if (await taker.takeFromAnywhere(blob)) found++
      else if (this.#isNeeded(blob)) {
        this.#lose(pack, blob)
        lost++
      }
    }
    const { id, state, blobs } = pack
    this.packs.push({ id, state, healed: false, salvaged: blobs.length - bad.length, found, lost })
  }

  /** Needed blobs that no index names, as after index files and packs are gone. */
  async #fetchAbsent(): Promise<void> {
    const { taker, options } = this.#parts
    let finding: number | undefined
    await forEachLimit(this.#absentBlobs(), this.#context.workers.size, async blob => {
      throwIfAborted(options.signal)
      if (await taker.takeFromAnywhere(blob)) {
        this.#fetched++
        return
      }
      this.#absent++
      finding ??= this.#damage.add(blobsAbsent())
      this.#damage.addLost(finding, blob.type, blob.id)
    })
  }

  *#absentBlobs(): Generator<Pick<PackedBlob, 'type' | 'id'>> {
    const { needed, suspects } = this.#parts
    for (const type of ['tree', 'data'] as const) {
      for (let number = 0; number < needed[type].size; number++) {
        const id = needed[type].idAt(number)
        if (!suspects.index.has(type, id)) yield { type, id }
      }
    }
  }

  #isNeeded({ type, id }: Pick<PackedBlob, 'type' | 'id'>): boolean {
    return this.#parts.needed[type].has(id)
  }

  #lose({ id: pack }: DamagedPack, { type, id }: PackedBlob): void {
    const finding = this.lossy.get(pack) ?? this.#damage.add(packLost(pack))
    this.lossy.set(pack, finding)
    this.#damage.addLost(finding, type, id)
  }

  async report(reader: Reader, snapshots: readonly Snapshot[]): Promise<PacksRepair> {
    const affected = this.#damage.hasLost
      ? await findAffected(reader, snapshots, this.#damage, this.#parts.options.signal)
      : new Map<number, Id[]>()
    const findings: Finding[] = this.#damage.findings.map(({ finding }, number) => ({
      ...finding,
      affects: affected.get(number) ?? [],
    }))
    return {
      packs: this.packs,
      sound: this.#sound,
      fetched: this.#fetched,
      absent: this.#absent,
      hurt: [...new Set([...affected.values()].flat())],
      findings,
    }
  }
}

const HINT =
  'Run "lifeboat backup": what still exists at the source is stored anew. Then "lifeboat repair snapshots" keeps what can be read of the others.'

function packLost(pack: Id): Omit<Finding, 'affects'> {
  return {
    severity: 'error',
    code: 'pack-damaged',
    subject: `pack ${shortId(pack)}`,
    message: 'it held blobs that snapshots need and that nobody has any more',
    hint: HINT,
  }
}

function blobsAbsent(): Omit<Finding, 'affects'> {
  return {
    severity: 'error',
    code: 'blobs-missing',
    subject: 'index',
    message: 'snapshots need blobs that no index names and that nobody has any more',
    hint: HINT,
  }
}
