import { subtle } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import { z } from 'zod'
import { AppError } from '../../base/errors.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { WalContent, WalHeader } from '../repository.ts'

/**
 * One log file as it is stored: sealed with the repository's key, inside it a header and the content in one zstd frame.
 * The header names the file, so that an object put under another name is not taken for that one.
 *
 *     seal( "LBW1" | header length, 32 bits little-endian | header, JSON | zstd frame )
 */

const MAGIC = Buffer.from('LBW1')
const FIXED_BYTES = MAGIC.length + 4
/** The log is written once and read rarely, under time pressure at both ends. */
const ZSTD_LEVEL = 1
/** Each piece of output is a way to another thread and back; with Node's 64 KiB that takes as long as the codec itself. */
const CHUNK_BYTES = 1024 * 1024
/** The largest segment that PostgreSQL knows. */
const CONTENT_LIMIT_BYTES = 1024 * 1024 * 1024

const header = z.object({
  name: z.string(),
  systemIdentifier: z.string(),
  sizeBytes: z.number().int().nonnegative().max(CONTENT_LIMIT_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Size of the cluster's segments; absent for files that are none. */
  segmentBytes: z.number().int().positive().optional(),
  /** When the file was last written at the server, UTC ISO 8601: no transaction in it is younger. */
  writtenAt: z.iso.datetime(),
})

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

export async function sealWal(content: WalContent, cipher: Cipher): Promise<Buffer> {
  const { name, systemIdentifier, bytes, writtenAt, segmentBytes } = content
  const head: WalHeader = {
    name,
    systemIdentifier,
    sizeBytes: bytes.length,
    sha256: await sha256(bytes),
    writtenAt: writtenAt.toISOString(),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  }
  const json = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL }
  const frame = await compress(bytes, { chunkSize: CHUNK_BYTES, params })
  return cipher.seal(Buffer.concat([MAGIC, length, json, frame]))
}

/** Opens an object; `damaged` when it is not what was stored under this name. */
export async function openWal(
  sealed: Uint8Array,
  place: { readonly key: string; readonly name: string; readonly systemIdentifier: string },
  cipher: Cipher,
): Promise<{ readonly header: WalHeader; readonly bytes: Buffer }> {
  const { head, frame } = openHeader(sealed, place, cipher)
  // In one piece, and a byte more, which says that it was the last.
  const limits = { chunkSize: Math.max(64, head.sizeBytes + 1), maxOutputLength: Math.max(1, head.sizeBytes) }
  const bytes = await decompress(frame, limits).catch((error: unknown) => {
    throw damaged(place.key, 'its content can not be decompressed', error)
  })
  if (bytes.length !== head.sizeBytes || (await sha256(bytes)) !== head.sha256) {
    throw damaged(place.key, 'its content is not what was stored')
  }
  return { header: head, bytes }
}

/** The header alone, without decompressing the content. */
export function openWalHeader(
  sealed: Uint8Array,
  place: { readonly key: string; readonly name: string; readonly systemIdentifier: string },
  cipher: Cipher,
): WalHeader {
  return openHeader(sealed, place, cipher).head
}

function openHeader(
  sealed: Uint8Array,
  place: { readonly key: string; readonly name: string; readonly systemIdentifier: string },
  cipher: Cipher,
): { head: WalHeader; frame: Buffer } {
  const plain = cipher.open(sealed)
  if (plain === undefined) throw damaged(place.key, 'it was not sealed with the key of this repository, or changed')
  const headBytes = plain.length >= FIXED_BYTES ? plain.readUInt32LE(MAGIC.length) : 0
  const end = FIXED_BYTES + headBytes
  if (!plain.subarray(0, MAGIC.length).equals(MAGIC) || end > plain.length)
    throw damaged(place.key, 'it is no log file')
  const head = header.safeParse(parseJson(plain.toString('utf8', FIXED_BYTES, end)))
  if (!head.success) throw damaged(place.key, 'its header can not be understood')
  if (head.data.name !== place.name || head.data.systemIdentifier !== place.systemIdentifier) {
    throw damaged(place.key, `it holds ${head.data.name} of cluster ${head.data.systemIdentifier}`)
  }
  return { head: head.data, frame: plain.subarray(end) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** In another thread, so that several files are hashed at once. */
async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

function damaged(key: string, why: string, cause?: unknown): AppError {
  return new AppError('damaged', `log file ${key} is damaged: ${why}`, {
    hint: 'Recovery can go up to it, not past it. If the server still has the file, remove this one and push it again.',
    context: { key },
    cause,
  })
}
