const MAGIC = 0xfd2fb528
const RAW_BYTES_IN_RLE = 1
const RLE = 1
const RESERVED = 3

/**
 * The content size that a buffer's only zstd frame announces, when the frame is complete, carries no checksum and
 * nothing follows it; else undefined. Such a frame leaves a decoder ready for the next one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1
 */
export function plainFrameSize(frame: Buffer): number | undefined {
  if (frame.length < 6 || frame.readUInt32LE(0) !== MAGIC) return undefined
  const descriptor = frame.readUInt8(4)
  const singleSegment = (descriptor & 0x20) !== 0
  const hasChecksumOrDictionary = (descriptor & 0x07) !== 0
  const sizeBytes = contentSizeBytes(descriptor >> 6, singleSegment)
  const sizeAt = 5 + (singleSegment ? 0 : 1)
  if (hasChecksumOrDictionary || sizeBytes === 0 || sizeAt + sizeBytes > frame.length) return undefined
  return endOfBlocks(frame, sizeAt + sizeBytes) === frame.length ? contentSize(frame, sizeAt, sizeBytes) : undefined
}

function contentSizeBytes(flag: number, singleSegment: boolean): number {
  if (flag === 0) return singleSegment ? 1 : 0
  return 1 << flag
}

function contentSize(frame: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(frame.readBigUInt64LE(at))
  return frame.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0)
}

function endOfBlocks(frame: Buffer, start: number): number | undefined {
  let at = start
  while (at + 3 <= frame.length) {
    const header = frame.readUIntLE(at, 3)
    const type = (header >> 1) & 3
    if (type === RESERVED) return undefined
    at += 3 + (type === RLE ? RAW_BYTES_IN_RLE : header >> 3)
    if (header & 1) return at
  }
  return undefined
}
