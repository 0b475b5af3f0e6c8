import type { StorageArchive } from './storage.ts'

/** The same archive, each of its calls made by `run`: for what is put around a storage. */
export function archiveThrough(
  archive: StorageArchive | undefined,
  run: <T>(signal: AbortSignal | undefined, call: () => Promise<T>) => Promise<T>,
): StorageArchive | undefined {
  if (archive === undefined) return undefined
  return {
    thaw: (key, options = {}) => run(options.signal, () => archive.thaw(key, options)),
    thawMs: object => archive.thawMs(object),
  }
}
