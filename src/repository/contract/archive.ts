import type { Id } from '../../model/node.ts'

/** A pack that cannot be read now. */
export interface ArchivedPack {
  readonly id: Id
  readonly sizeBytes: number
  /** It was asked for already. */
  readonly isThawing: boolean
  /** About how long it takes from the moment when it is asked for, by the service's word. */
  readonly thawMs: number
}

export interface ThawOptions {
  readonly signal: AbortSignal
  /** Of the packs that were asked for. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** The packs of a repository whose data goes to a class that has to be thawed before it can be read. */
export interface PackArchive {
  /** Those that cannot be read now and have data blobs of these that no pack has which can. */
  findNeeded(blobs: AsyncIterable<Id>, signal: AbortSignal): Promise<readonly ArchivedPack[]>
  /** All that cannot be read now. */
  findAll(signal: AbortSignal): Promise<readonly ArchivedPack[]>
  /** Those of these packs that still cannot be read. */
  stillArchived(packs: readonly ArchivedPack[], signal: AbortSignal): Promise<readonly ArchivedPack[]>
  /** Asks the service for those that were not asked for yet. Does not wait for them. */
  thaw(packs: readonly ArchivedPack[], options: ThawOptions): Promise<void>
}
