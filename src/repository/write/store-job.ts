import type { BlobType } from '../contract/blob.ts'
import { BlobSealer, type SealedBlobs, type SealingTools } from '../pack/blob-sealer.ts'
import type { Slot } from './slots.ts'

/** Runs in a worker: compresses and seals blobs. */
export interface StoreJob extends NewBlobs {
  readonly type: BlobType
  readonly slab: Uint8Array
  /** The slab is one blob that is compressed already, and holds so much. */
  readonly plainBytes?: number | undefined
}

/** As `StoreJob`, of what was read into a slot of this worker. */
export interface StoreSlotJob extends NewBlobs {
  readonly slot: Slot
}

export interface NewBlobs {
  /** Start and end in the slab of each blob. */
  readonly ranges: Uint32Array
  /** 32 bytes a blob. */
  readonly ids: Uint8Array
  /** Memory for what is made of them. */
  readonly into: Uint8Array
}

export interface StoreOutcome {
  readonly slab: Uint8Array
  readonly sealed: SealedBlobs
}

export function sealBlobs({ type, slab, ranges, ids, plainBytes, into }: StoreJob, tools: SealingTools): SealedBlobs {
  const sealer = new BlobSealer(type, tools, into)
  for (let i = 0; i < ranges.length / 2; i++) {
    const bytes = slab.subarray(ranges[i * 2], ranges[i * 2 + 1])
    const id = ids.subarray(i * 32, i * 32 + 32)
    if (plainBytes === undefined) sealer.add(bytes, id)
    else sealer.append(bytes, id, plainBytes)
  }
  return sealer.finish()
}
