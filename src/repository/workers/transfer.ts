/**
 * The memory that can be handed to another thread instead of being copied: of those fields that are all of their
 * buffer. Small buffers share Node's pool and must be copied.
 */
export function ownedBuffers(message: unknown): ArrayBuffer[] {
  const owned = new Set<ArrayBuffer>()
  const fields = message instanceof Uint8Array ? [message] : Object.values(Object(message) as object)
  for (const field of fields) {
    if (!ArrayBuffer.isView(field) || !(field.buffer instanceof ArrayBuffer)) continue
    if (field.byteLength === field.buffer.byteLength && field.byteLength > 0) owned.add(field.buffer)
  }
  return [...owned]
}
