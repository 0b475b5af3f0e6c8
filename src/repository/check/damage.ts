import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { type BadPlaces, copyKey } from './bad-places.ts'

/** A finding of which it is still open whom it hurts. */
export interface OpenFinding {
  readonly finding: Omit<Finding, 'affects'>
  /** Known already; else it is found out by the blobs that were lost with it. */
  readonly affects?: readonly Id[]
}

type BlobKey = `${BlobType} ${Id}`

const keyOf = (type: BlobType, id: Id): BlobKey => `${type} ${id}`

/** Collects what is wrong, and which blobs are lost by it. */
export class Damage {
  readonly findings: OpenFinding[] = []
  /** Blobs that nothing can give back, and the findings that say why. */
  readonly #lost = new Map<BlobKey, number[]>()
  readonly #badPacks = new Map<Id, number>()
  readonly #badCopies = new Map<string, number>()
  readonly #hurtPacks = new Set<Id>()

  add(finding: OpenFinding['finding'], affects?: readonly Id[]): number {
    return this.findings.push({ finding, ...(affects ? { affects } : {}) }) - 1
  }

  /** The pack gives nothing back. */
  addBadPack(finding: OpenFinding['finding'], pack: Id): void {
    this.#badPacks.set(pack, this.add(finding))
    this.#hurtPacks.add(pack)
  }

  /** The pack gives back all but these. */
  addBadCopies(finding: OpenFinding['finding'], pack: Id, blobs: Iterable<{ type: BlobType; id: Id }>): void {
    const number = this.add(finding)
    this.#hurtPacks.add(pack)
    for (const { type, id } of blobs) this.#badCopies.set(copyKey(pack, type, id), number)
  }

  addLost(number: number, type: BlobType, id: Id): void {
    const key = keyOf(type, id)
    const known = this.#lost.get(key)
    if (!known) this.#lost.set(key, [number])
    else if (!known.includes(number)) known.push(number)
  }

  /** Is anything wrong with the pack? */
  isHurt(pack: Id): boolean {
    return this.#hurtPacks.has(pack)
  }

  get badPlaces(): BadPlaces {
    const { packs, copies } = { packs: new Set(this.#badPacks.keys()), copies: new Set(this.#badCopies.keys()) }
    return { packs, copies, hurt: new Set(this.#hurtPacks) }
  }

  get hasLost(): boolean {
    return this.#lost.size > 0
  }

  isLost(type: BlobType, id: Id): boolean {
    return this.#lost.has(keyOf(type, id))
  }

  /** Numbers of the findings that a blob was lost with. */
  reasonsOf(type: BlobType, id: Id): readonly number[] {
    return this.#lost.get(keyOf(type, id)) ?? []
  }

  /** From bad copies to lost blobs: a blob is lost when no pack has it whole. Call it once all packs were looked at. */
  settle(index: BlobIndex): void {
    if (this.#badPacks.size === 0 && this.#badCopies.size === 0) return
    for (const location of index.locations()) {
      const number = this.#badCopyOf(location)
      if (number === undefined) continue
      const copies = index.findAll(location.type, location.id)
      if (copies.every(copy => this.#badCopyOf(copy) !== undefined)) this.addLost(number, location.type, location.id)
    }
  }

  #badCopyOf({ packId, type, id }: BlobLocation): number | undefined {
    return this.#badPacks.get(packId) ?? this.#badCopies.get(copyKey(packId, type, id))
  }
}
