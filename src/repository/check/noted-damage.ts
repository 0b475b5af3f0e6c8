import type { Id } from '../../model/node.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { copyKey } from './bad-places.ts'
import type { DamageRecord } from './damage-record.ts'

/** What reading comes across on its way, until it is put on record for the next backup. */
export class NotedDamage {
  readonly #record: DamageRecord
  #packs = new Set<Id>()
  #copies = new Set<string>()

  constructor(record: DamageRecord) {
    this.#record = record
  }

  /** Cut short. One that is missing is found by every backup itself, and may be back by then. */
  addPack(pack: Id): void {
    this.#packs.add(pack)
  }

  addCopy({ packId, type, id }: Pick<BlobLocation, 'packId' | 'type' | 'id'>): void {
    this.#copies.add(copyKey(packId, type, id))
  }

  async keep(): Promise<void> {
    if (this.#packs.size === 0 && this.#copies.size === 0) return
    const found = { packs: this.#packs, copies: this.#copies, hurt: new Set<Id>() }
    this.#packs = new Set()
    this.#copies = new Set()
    await this.#record.add(found, false)
  }
}
