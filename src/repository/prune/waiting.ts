import type { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import { untilOf } from '../../storage/storage-error.ts'
import type { WaitingPacks } from '../contract/maintenance.ts'

/** Packs that could go but for a lock, and until when. */
export class Waiting {
  readonly #stored: ReadonlyMap<Id, number>
  readonly #packs = new Set<Id>()
  #until: Date | undefined

  constructor(stored: ReadonlyMap<Id, number>) {
    this.#stored = stored
  }

  add(pack: Id, until?: Date): void {
    this.#packs.add(pack)
    this.#extend(until)
  }

  /** That the storage refused to remove an object. */
  async note({ retention }: Storage, key: string, error: AppError): Promise<void> {
    this.#extend(untilOf(error) ?? (await retention?.findLockedUntil(key).catch(() => undefined)))
  }

  get report(): WaitingPacks | undefined {
    if (this.#packs.size === 0 && this.#until === undefined) return undefined
    let bytes = 0
    for (const id of this.#packs) bytes += this.#stored.get(id) ?? 0
    return { packs: this.#packs.size, bytes, until: this.#until }
  }

  #extend(until: Date | undefined): void {
    if (until !== undefined && until > (this.#until ?? new Date(0))) this.#until = until
  }
}

export function waitingFinding({ packs, bytes, until }: WaitingPacks): Finding {
  const when = until === undefined ? '' : ` until ${formatTime(until)}`
  return {
    severity: 'warning',
    code: 'packs-locked',
    subject: 'packs',
    message: `${packs} ${packs === 1 ? 'pack' : 'packs'} (${formatSize(bytes)}) could go, but are locked${when}`,
    hint: 'Run "lifeboat prune" again then. Nothing else needs to be done.',
  }
}
