import type { AdapterContext } from '../base/adapter-context.ts'
import { LimitedStorage, type OnCall } from './limited-storage.ts'
import { RetryingStorage, type StorageHealth } from './retrying-storage.ts'
import type { Storage, StorageDefinition } from './storage.ts'

export interface OpenStorageOptions {
  /** As the definition's own schema gives them. */
  readonly options: unknown
  readonly context: AdapterContext
  /** For who wants to know now: what fails is not tried again. */
  readonly triesOnce?: boolean | undefined
  /** Gets the calls to a service, which are billed; a disk's are not. */
  readonly onCall?: OnCall | undefined
  /** Ends the waiting for another attempt. */
  readonly signal?: AbortSignal | undefined
  /** Is told whether it answers. What does not try again, such as a disk, says nothing. */
  readonly health?: StorageHealth | undefined
}

/** Opens an adapter's store, and puts around it what its traits and the person ask for. Touches nothing there. */
export async function openStorage(
  definition: StorageDefinition,
  url: string,
  { options, context, onCall, triesOnce = false, signal, health }: OpenStorageOptions,
): Promise<Storage> {
  const open = await definition.load()
  const bare = await open(url, options, context)
  // Inside of the other one: a call that waits to be tried again takes no other call's place.
  const limited = new LimitedStorage(bare, bare.traits.retryMs > 0 ? onCall : undefined)
  return bare.traits.retryMs > 0 && !triesOnce ? new RetryingStorage(limited, context, signal, health) : limited
}
