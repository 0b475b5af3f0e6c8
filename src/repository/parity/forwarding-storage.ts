import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StoredObject } from '../../storage/storage.ts'

/** Does everything as the store inside: for those that change one thing of it. */
export class ForwardingStorage implements Storage {
  protected readonly inner: Storage

  constructor(inner: Storage) {
    this.inner = inner
  }

  get location(): string {
    return this.inner.location
  }

  get traits(): Storage['traits'] {
    return this.inner.traits
  }

  get retention(): Storage['retention'] {
    return this.inner.retention
  }

  get history(): Storage['history'] {
    return this.inner.history
  }

  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject> {
    return this.inner.list(prefix, options)
  }

  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    return this.inner.listKeys(prefix, options)
  }

  find(key: string, options?: StorageCallOptions): Promise<StoredObject | undefined> {
    return this.inner.find(key, options)
  }

  load(key: string, options?: LoadOptions): Promise<Buffer> {
    return this.inner.load(key, options)
  }

  save(key: string, content: Uint8Array | readonly Uint8Array[], options?: SaveOptions): Promise<void> {
    return this.inner.save(key, content, options)
  }

  remove(key: string, options?: StorageCallOptions): Promise<void> {
    return this.inner.remove(key, options)
  }

  freeBytes(): Promise<number | undefined> {
    return this.inner.freeBytes()
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
