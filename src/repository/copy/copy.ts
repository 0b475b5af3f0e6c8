import { AppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { findAffected } from '../check/affected.ts'
import type { CopyOptions, CopyReport } from '../contract/copying.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { shortId } from '../format/file-keys.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import { type SaveSnapshot, Session, type SessionParts } from '../write/session.ts'
import { BlobCopier, type CopySource } from './blob-copier.ts'
import { formatCopy, KnownCopies } from './copied-snapshot.ts'

export interface CopyParts extends SessionParts {
  readonly snapshots: SnapshotStore
}

/** Snapshots are stored after so many packs as the storage likes them: each time the last packs are short. */
const PACKS_A_COMMIT = 32
/** On a disk too, where a backup makes shorter ones: it needs the memory for other things. */
const PACK_BYTES = 16 * 1024 * 1024
/** And not before this part more than was stored by then: each time all packs of the repository are listed. */
const GROWTH = 0.25

/**
 * Copies snapshots with all that they need and that is not there yet. Blobs stay what they are, so it does not matter how
 * either repository cuts contents. What was copied before a stop is in the index, and is not copied again. A snapshot that
 * needs what is damaged is left out, and named.
 */
export async function copySnapshots(
  source: CopySource,
  parts: CopyParts,
  wanted: readonly Snapshot[],
  options: CopyOptions,
): Promise<CopyReport> {
  await source.index.refresh(parts.signal)
  const packBytes = Math.max(PACK_BYTES, parts.context.storage.traits.packBytes)
  const session = await Session.start({ ...parts, packBytes })
  try {
    return await new Copying(source, parts, session, options).run(wanted)
  } finally {
    await session.end()
  }
}

class Copying {
  readonly #source: CopySource
  readonly #parts: CopyParts
  readonly #session: Session
  readonly #blobs: BlobCopier
  readonly #copied: Array<CopyReport['copied'][number]> = []
  readonly #present: Id[] = []
  readonly #affected = new Map<number, Id[]>()
  /** Of these all blobs were copied, or lost. */
  #pending: Snapshot[] = []
  #committedBytes = 0

  constructor(source: CopySource, parts: CopyParts, session: Session, options: CopyOptions) {
    this.#source = source
    this.#parts = parts
    this.#session = session
    this.#blobs = new BlobCopier(source, { ...parts, session }, options)
  }

  async run(wanted: readonly Snapshot[]): Promise<CopyReport> {
    const there = await this.#listThere()
    for (const snapshot of wanted.toSorted((a, b) => a.time.getTime() - b.time.getTime())) {
      throwIfAborted(this.#parts.signal)
      if (there.has(snapshot)) this.#present.push(snapshot.id)
      else await this.#copy(snapshot)
      there.add(snapshot)
    }
    await this.#commit()
    return {
      copied: this.#copied,
      present: this.#present,
      leftOut: [...new Set([...this.#affected.values()].flat())],
      blobs: this.#blobs.copied,
      bytesRead: this.#blobs.bytesRead,
      bytesStored: this.#session.packs.bytesStored,
      findings: this.#findings(),
    }
  }

  async #listThere(): Promise<KnownCopies> {
    const there = new KnownCopies()
    for (const snapshot of (await this.#parts.snapshots.list()).snapshots) there.add(snapshot)
    return there
  }

  async #copy(snapshot: Snapshot): Promise<void> {
    await this.#blobs.copyTree(snapshot.tree)
    this.#pending.push(snapshot)
    const { packBytes } = this.#parts.context.storage.traits
    const enough = Math.max(PACKS_A_COMMIT * packBytes, this.#committedBytes * GROWTH)
    if (this.#blobs.bytesWanted - this.#committedBytes >= enough) await this.#commit()
  }

  async #commit(): Promise<void> {
    await this.#blobs.finish()
    const pending = this.#pending
    this.#pending = []
    const hurt = await this.#findHurt(pending)
    const chosen: Snapshot[] = []
    const saves = this.#saves(
      pending.filter(({ id }) => !hurt.has(id)),
      chosen,
    )
    for (const [at, snapshot] of (await this.#session.commit(saves)).entries()) {
      this.#copied.push({ from: chosen[at]?.id ?? '', snapshot })
    }
    this.#committedBytes = this.#blobs.bytesWanted
  }

  /** Of those that another copy, at the same time, has not brought. @param chosen gets them */
  async *#saves(whole: readonly Snapshot[], chosen: Snapshot[]): AsyncGenerator<SaveSnapshot> {
    if (whole.length === 0) return
    const there = await this.#listThere()
    for (const snapshot of whole) {
      if (there.has(snapshot)) {
        this.#present.push(snapshot.id)
        continue
      }
      chosen.push(snapshot)
      yield this.#saving(snapshot)
    }
  }

  #saving({ id }: Snapshot): SaveSnapshot {
    return async signal => {
      const json = await this.#source.files.load('snapshot', id, signal)
      return await this.#parts.snapshots.saveJson(formatCopy(json, id, `snapshot ${shortId(id)}`), signal)
    }
  }

  async #findHurt(snapshots: readonly Snapshot[]): Promise<Set<Id>> {
    const { damage } = this.#blobs
    if (!damage.hasLost) return new Set()
    const affected = await findAffected(this.#source.reader, snapshots, damage, this.#session.failure.signal)
    for (const [number, ids] of affected) {
      this.#affected.set(number, [...(this.#affected.get(number) ?? []), ...ids])
    }
    return new Set([...affected.values()].flat())
  }

  #findings(): Finding[] {
    const found = this.#blobs.damage.findings.map(({ finding }, number) => ({
      ...finding,
      affects: this.#affected.get(number) ?? [],
    }))
    return [...this.#source.index.findings, ...found]
  }
}

export function copyToItself(location: string): AppError {
  return new AppError('usage', `${location} is the repository that is copied from`, {
    hint: 'Name another repository to copy to.',
  })
}
