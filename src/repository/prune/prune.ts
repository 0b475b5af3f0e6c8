import { forEachLimit } from '../../base/concurrency.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { PruneOptions, PruneReport } from '../contract/maintenance.ts'
import { fileKey } from '../format/file-keys.ts'
import { PackWriter } from '../pack/pack-writer.ts'
import { surveyParity } from '../parity/survey-parity.ts'
import { Failure } from '../write/failure.ts'
import { IndexWriter } from '../write/index-writer.ts'
import type { PruneContext } from './context.ts'
import { dropFromIndex } from './drop.ts'
import type { PackUse } from './plan.ts'
import { repack } from './repack.ts'
import { listJoinable } from './rewrite-index.ts'
import { type Survey, surveyRepository } from './survey.ts'
import { findDoubtful } from './verify.ts'
import { Waiting, waitingFinding } from './waiting.ts'

/** So much is rewritten before what it came from goes: it bounds the space that a prune needs, and what a kill costs. */
const BATCH_BYTES = 2 * 1024 * 1024 * 1024

/**
 * Frees what no snapshot needs, while backups go on: they stand still only for the moments in which packs go from the
 * index. The order is the format's: new packs, new index, then the old index goes, then the old packs; killed anywhere,
 * every snapshot is whole, and the next run goes on from there. An index that lost files is mended from the packs on the
 * way. Refuses (`damaged`) when it is not certain what is needed.
 *
 * @see docs/decisions/reading-and-pruning.md
 */
export async function prune(context: PruneContext, options: PruneOptions): Promise<PruneReport> {
  const survey = await surveyRepository(context, options)
  try {
    return options.dryRun ? foresee(survey) : await new Pruning(context, survey, options).run()
  } finally {
    survey.index.close()
  }
}

function foresee({ orphans, stored, findings, plan }: Survey): PruneReport {
  const kept = sum(plan.keep.map(sizeOf))
  return {
    packsKept: plan.keep.length,
    packsRemoved: plan.remove.length + orphans.length,
    packsRepacked: plan.repack.length,
    bytesBefore: sum([...stored.values()]),
    bytesAfter: kept + sum(plan.repack.map(pack => pack.usedBytes)),
    bytesUnusedLeft: plan.unusedBytesLeft,
    waiting: undefined,
    findings,
  }
}

/** Of what anybody has removed, this or another program. */
async function sweepParity({ storage, files }: PruneContext, signal: AbortSignal): Promise<void> {
  const { orphaned } = await surveyParity(storage, files, signal)
  await forEachLimit(orphaned, storage.traits.concurrency, key => storage.remove(key, { signal }))
}

/** One prune that changes something. */
class Pruning {
  readonly #context: PruneContext
  readonly #survey: Survey
  readonly #waiting: Waiting
  readonly #options: PruneOptions
  readonly #removed = new Set<Id>()
  readonly #damaged = new Map<Id, Finding>()
  readonly #onRepacked: (bytes: number) => void
  #savedBytes = 0

  constructor(context: PruneContext, survey: Survey, options: PruneOptions) {
    this.#context = context
    this.#survey = survey
    this.#waiting = new Waiting(survey.stored)
    this.#options = options
    this.#onRepacked = this.#progress('repack', 'bytes', sum(survey.plan.repack.map(sizeOf)))
  }

  async run(): Promise<PruneReport> {
    const { remove, repack: rewritten } = this.#survey.plan
    await this.#dropUnused(remove.filter(pack => !hasCopies(pack)))
    await this.#settleCopies()
    for (const batch of batchesOf(rewritten.filter(({ shared }) => !shared))) {
      await this.#repack(batch)
      await this.#drop(this.#moved(batch))
    }
    await sweepParity(this.#context, this.#options.signal)
    return this.#report()
  }

  /** First what takes no space: on a full storage it makes some. */
  async #dropUnused(unused: readonly PackUse[]): Promise<void> {
    const { vanished, stored, orphans } = this.#survey
    const gone = vanished.filter(id => !stored.has(id))
    await this.#drop([...unused.map(({ id }) => id), ...gone], orphans)
  }

  /**
   * Blobs that several packs hold: the copies that stay are read or rewritten, with the help of the others where they are
   * damaged, before any of these goes.
   */
  async #settleCopies(): Promise<void> {
    const { plan, usage, vanished, stored } = this.#survey
    if (this.#options.withoutLock) return
    // Packs of data that have to be thawed can't be read now: no copy of what is in them goes.
    const isArchiving = this.#context.storage.archive !== undefined
    const isReadable = ({ type }: PackUse): boolean => !isArchiving || type === 'tree'
    const cut = isArchiving ? [] : vanished.filter(id => stored.has(id))
    const copies = plan.remove.filter(pack => hasCopies(pack) && isReadable(pack))
    const isCopyGoing = cut.length + copies.length > 0 || plan.repack.some(hasCopies)
    const kept = isCopyGoing ? plan.keep.filter(pack => pack.shared && isReadable(pack)) : []
    const progress = this.#progress('verify', 'bytes', sum(kept.map(sizeOf)))
    const doubtful = await findDoubtful(this.#context, usage, kept, this.#options.signal, pack =>
      progress(sizeOf(pack)),
    )
    const shared = [...plan.repack.filter(pack => pack.shared), ...doubtful]
    for (const batch of batchesOf(shared)) await this.#repack(batch)
    await this.#drop([...this.#moved(shared), ...copies.map(({ id }) => id), ...cut])
  }

  async #drop(packs: readonly Id[], orphans: readonly Id[] = []): Promise<void> {
    if (packs.length + orphans.length === 0 && this.#isTidy()) return
    const freeFirst = this.#options.withoutLock ? (pack: Id): Promise<void> => this.#removeOne(pack) : undefined
    const gone = await dropFromIndex(this.#context, this.#survey, { packs, orphans, freeFirst }, this.#waiting)
    await this.#remove(gone.filter(id => !this.#removed.has(id)))
    // Not in the turn: what it loads again took part in what was removed.
    await this.#survey.index.refresh(this.#options.signal)
  }

  #isTidy(): boolean {
    const { index, indexTable } = this.#survey
    return index.damagedIds.size === 0 && listJoinable(indexTable, this.#context.storage).length === 0
  }

  /** What was taken whole from where it was. */
  #moved(packs: readonly PackUse[]): Id[] {
    return packs.map(({ id }) => id).filter(id => !this.#damaged.has(id))
  }

  async #repack(batch: readonly PackUse[]): Promise<void> {
    const { storage, cipher, files, clock, workers } = this.#context
    const { index, usage } = this.#survey
    const failure = new Failure(this.#options.signal)
    // Named by an index as a backup's packs are: what was rewritten before a kill is not rewritten again.
    const indexes = new IndexWriter({ files, index, workers, failure, clock, onIndexed: () => {} })
    const packs = new PackWriter({ storage, cipher, failure, onSaved: pack => indexes.add(pack) })
    try {
      const damaged = await repack({ ...this.#context, usage, index, packs, signal: failure.signal }, batch, pack =>
        this.#onRepacked(sizeOf(pack)),
      )
      for (const [id, finding] of damaged) this.#damaged.set(id, finding)
      await packs.finish()
      await indexes.flush()
      await failure.settle()
    } finally {
      await failure.idle()
      this.#savedBytes += packs.bytesStored
    }
  }

  async #remove(ids: readonly Id[]): Promise<void> {
    const progress = this.#progress('remove packs', 'items', ids.length)
    await forEachLimit(ids, this.#context.storage.traits.concurrency, async id => {
      throwIfAborted(this.#options.signal)
      await this.#removeOne(id)
      progress(1)
    })
  }

  async #removeOne(id: Id): Promise<void> {
    const { files, storage } = this.#context
    try {
      await files.remove('pack', id)
      this.#removed.add(id)
    } catch (error) {
      if (!isAppError(error, 'storage-locked')) throw error
      this.#waiting.add(id)
      await this.#waiting.note(storage, fileKey('pack', id), error)
    }
  }

  #progress(step: string, unit: 'bytes' | 'items', total: number): (more: number) => void {
    let done = 0
    return more => {
      done += more
      this.#options.onProgress?.({ step, done, total, unit })
    }
  }

  #report(): PruneReport {
    const { plan, stored, findings, orphans } = this.#survey
    const isLeft = ({ id }: PackUse): boolean => !this.#removed.has(id)
    const left = [...plan.keep, ...plan.repack, ...plan.remove].filter(isLeft)
    // One that was kept, and had damaged blobs that another pack had whole, is rewritten too.
    const repacked = [...plan.repack, ...plan.keep].filter(pack => !isLeft(pack)).length
    const bytesBefore = sum([...stored.values()])
    const gone = [...this.#removed].reduce((bytes, id) => bytes + (stored.get(id) ?? 0), 0)
    return {
      packsKept: left.length,
      packsRemoved:
        plan.remove.filter(pack => !isLeft(pack)).length + orphans.filter(id => this.#removed.has(id)).length,
      packsRepacked: repacked,
      bytesBefore,
      bytesAfter: bytesBefore - gone + this.#savedBytes,
      bytesUnusedLeft: sum(left.map(pack => pack.unusedBytes)),
      waiting: this.#waiting.report,
      findings: withWaiting([...findings, ...this.#damaged.values()], this.#waiting),
    }
  }
}

function withWaiting(findings: readonly Finding[], { report }: Waiting): Finding[] {
  return report === undefined ? [...findings] : [...findings, waitingFinding(report)]
}

function* batchesOf(packs: readonly PackUse[]): Generator<PackUse[]> {
  let batch: PackUse[] = []
  let bytes = 0
  for (const pack of packs) {
    if (batch.length > 0 && bytes + sizeOf(pack) > BATCH_BYTES) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(pack)
    bytes += sizeOf(pack)
  }
  if (batch.length > 0) yield batch
}

const hasCopies = (pack: PackUse): boolean => pack.duplicates > 0

const sizeOf = (pack: PackUse): number => pack.usedBytes + pack.unusedBytes

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
