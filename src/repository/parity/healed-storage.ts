import { AppError, isAppError } from '../../base/errors.ts'
import type { LoadOptions, Storage } from '../../storage/storage.ts'
import { ForwardingStorage } from './forwarding-storage.ts'
import { healFile } from './heal.ts'

/** Of so many it is remembered that they cannot be healed. */
const REMEMBERED = 10_000

/**
 * A store as it would be if its damaged packs were healed by their parity: for reading on. What is stored stays as it is.
 * The pack that was healed last is held, for its blobs are asked for one after the other. `storage-not-found` for one that
 * cannot be healed, also where the store fails: others may still be asked.
 */
export class HealedStorage extends ForwardingStorage {
  readonly #hopeless = new Set<string>()
  #last: { readonly key: string; readonly bytes: Promise<Buffer | undefined> } | undefined

  override async load(key: string, { range, signal }: LoadOptions = {}): Promise<Buffer> {
    const bytes = await this.#heal(key, signal)
    const { offset, length } = range ?? { offset: 0, length: bytes?.length ?? 0 }
    if (bytes === undefined || offset + length > bytes.length) {
      throw new AppError('storage-not-found', `parity does not give ${key} back`)
    }
    // Whoever gets it may give it away.
    return Buffer.from(bytes.subarray(offset, offset + length))
  }

  async #heal(key: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    if (this.#hopeless.has(key)) return undefined
    if (this.#last?.key !== key) this.#last = { key, bytes: healOrNothing(this.inner, key, signal) }
    const bytes = await this.#last.bytes
    if (bytes === undefined && this.#hopeless.size < REMEMBERED) this.#hopeless.add(key)
    return bytes
  }
}

async function healOrNothing(
  storage: Storage,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  try {
    const healed = await healFile(storage, key, signal)
    return healed !== undefined && key.endsWith(healed.sha256) ? healed.bytes : undefined
  } catch (error) {
    if (isAppError(error) && error.code.startsWith('storage-')) return undefined
    throw error
  }
}
