import type { Content, Cut } from '../../../source.ts'

/** Bytes at hand as a content. */
export function bufferContent(bytes: Uint8Array, cut: Cut = { kind: 'content' }): Content {
  let at = 0
  return {
    sizeBytes: bytes.length,
    cut,
    read: into => {
      const part = bytes.subarray(at, at + into.length)
      into.set(part)
      at += part.length
      return Promise.resolve(part.length)
    },
    close: () => Promise.resolve(),
  }
}
