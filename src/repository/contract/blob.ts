export interface BlobSize {
  /** Sealed, and compressed where it is. */
  readonly storedBytes: number
  readonly plainBytes: number
}

export type BlobType = 'data' | 'tree'
export type FileType = 'config' | 'key' | 'index' | 'snapshot' | 'lock' | 'pack'
