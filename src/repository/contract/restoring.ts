import type { Id } from '../../model/node.ts'

export interface FileToWrite {
  readonly content: readonly Id[]
  readonly sizeBytes: number
  /** Absolute; names encoded as in `base/bytes.ts`. Created when absent (0600), else resized to `sizeBytes`. */
  readonly path: string
  /** Hash what is there block by block and write only what differs. */
  readonly delta: boolean
}

export interface RestoreOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((written: WrittenBytes) => void) | undefined
}

export interface WrittenBytes {
  readonly totalBytes: number
  readonly writtenBytes: number
}
