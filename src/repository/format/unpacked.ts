import type { Zstd } from '../crypto/zstd.ts'
import { invalid } from './json.ts'

const COMPRESSED = 2
/** restic keeps index files near 8 MiB; nothing legitimate comes close to this. */
const MAX_BYTES = 256 * 1024 * 1024
/** Index files are ids in hexadecimal, in which a higher level finds nothing more. */
const COMPRESSION = { level: 1 } as const

/** The sealed part of an index, snapshot or lock: plain JSON in version 1, `0x02 || zstd` in version 2. */
export function encodeUnpacked(json: Uint8Array, version: 1 | 2, zstd: Zstd): Uint8Array {
  return version === 1 ? json : Buffer.concat([Buffer.from([COMPRESSED]), zstd.compress(json, COMPRESSION)])
}

/** JSON text of either version. */
export function decodeUnpacked(bytes: Uint8Array, zstd: Zstd, subject: string): Uint8Array {
  const first = bytes[0]
  if (first === 0x5b || first === 0x7b) return bytes
  if (first !== COMPRESSED) throw invalid(subject, 'its encoding is not known')
  const json = zstd.decompress(bytes.subarray(1), MAX_BYTES)
  if (json === undefined) throw invalid(subject, 'it cannot be decompressed')
  // The codec uses its memory again at the next call.
  return Uint8Array.from(json)
}
