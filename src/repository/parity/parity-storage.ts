import { AppError } from '../../base/errors.ts'
import type { SaveOptions, Storage, StorageCallOptions } from '../../storage/storage.ts'
import { ForwardingStorage } from './forwarding-storage.ts'
import { makeParity } from './parity-file.ts'
import { isMetadata, isProtected, parityKey } from './parity-keys.ts'

/** Makes the parity file of a file. The bytes are not changed, and not needed any more when it resolves. */
export type MakeParity = (file: readonly Uint8Array[], part: number) => Promise<readonly Uint8Array[]>

/**
 * A store that keeps parity beside what it is given. After a pack and before `save` resolves, so before the index that names
 * the pack; and removed before what it belongs to, so that it never brings back what was removed on purpose.
 */
export class ParityStorage extends ForwardingStorage {
  readonly #part: number
  readonly #make: MakeParity

  constructor(inner: Storage, part: number, make: MakeParity) {
    super(inner)
    this.#part = part
    this.#make = make
  }

  override async save(
    key: string,
    content: Uint8Array | readonly Uint8Array[],
    options: SaveOptions = {},
  ): Promise<void> {
    await this.inner.save(key, content, options)
    if (isProtected(key))
      await this.saveParity(key, content instanceof Uint8Array ? [content] : content, options.signal)
  }

  /** Of a file that is stored. */
  async saveParity(key: string, file: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    const parity = await this.#make(file, isMetadata(key) ? 1 : this.#part)
    await this.inner.save(parityKey(key), parity, { signal })
  }

  override async remove(key: string, options?: StorageCallOptions): Promise<void> {
    if (isProtected(key)) await this.inner.remove(parityKey(key), options)
    await this.inner.remove(key, options)
  }
}

/**
 * `unsupported` where the storage takes only restic's own files.
 *
 * @param part how much parity, as a part of what is stored; undefined: nothing is kept
 */
export function withParity(storage: Storage, part: number | undefined, make: MakeParity): Storage {
  if (part === undefined) return storage
  if (storage.traits.keys === 'any') return new ParityStorage(storage, part, make)
  throw new AppError(
    'unsupported',
    `${storage.location} takes only files of a restic repository, so it cannot keep parity`,
    {
      hint: 'Remove "parity" from this repository in lifeboat.yaml, or keep a second repository elsewhere.',
    },
  )
}

/** In this thread: for the few small files of a new repository. */
export const makeParityHere: MakeParity = async (file, part) => makeParity(Buffer.concat(file), part)
