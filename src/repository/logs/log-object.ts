import { hash } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../../base/errors.ts'
import { freeMemory } from '../../base/free-memory.ts'
import { describeLogFile, type LogFileName, type LogId } from '../../model/log.ts'
import type { LogContent, LogHeader } from '../contract/logs.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Compression, Zstd } from '../crypto/zstd.ts'

/**
 * One log file as it is stored: sealed with the repository's key, inside it a header and the content in one zstd frame.
 * The header names the file, so that an object put under another name is not taken for that one.
 *
 *     seal( "LBL1" | header length, 32 bits little-endian | header, JSON | zstd frame )
 */

const MAGIC = Buffer.from('LBL1')
const FIXED_BYTES = MAGIC.length + 4
/**
 * The log is written once and read rarely, under time pressure at both ends. Level 1 with matches from five bytes on and a
 * table that fits the processor's caches: of pgbench's log 16 % less than level 1 alone in 9 % more time, of updated mail
 * 2 % less in 27 % more.
 */
const LEVEL: Compression = { level: 1, hashLog: 14, minMatch: 5 }
/** The longest file that a log of any kind has. */
const CONTENT_LIMIT_BYTES = 1024 * 1024 * 1024

const header = z.object({
  log: z.object({ kind: z.string(), id: z.string() }),
  name: z.string(),
  unfinished: z.boolean(),
  sizeBytes: z.number().int().nonnegative().max(CONTENT_LIMIT_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** When the source last wrote the file, UTC ISO 8601: nothing in it is younger. */
  writtenAt: z.iso.datetime(),
})

/** An object's place in the repository, and what should be in it. */
export interface LogPlace {
  readonly key: string
  readonly log: LogId
  readonly file: LogFileName
}

export interface OpenedLog {
  readonly header: LogHeader
  readonly bytes: Uint8Array
}

/** Runs in a worker, or where a single file is sealed. The parts, one after the other, are the object. */
export function sealLog(content: LogContent, cipher: Cipher, zstd: Zstd): Uint8Array[] {
  const { log, name, unfinished, bytes, writtenAt } = content
  const head: LogHeader = {
    log,
    name,
    unfinished,
    sizeBytes: bytes.length,
    sha256: hash('sha256', bytes),
    writtenAt: writtenAt.toISOString(),
  }
  const json = Buffer.from(JSON.stringify(head))
  const frame = zstd.compress(bytes, LEVEL)
  const plain = plaintextMemory(FIXED_BYTES + json.length + frame.length)
  const at = plain.writeUInt32LE(json.length, MAGIC.copy(plain))
  plain.set(json, at)
  plain.set(frame, at + json.length)
  return cipher.sealParts(plain)
}

// One a thread, valid until the next call: such memory would lie about for long before it is collected.
let plaintextBuffer = Buffer.alloc(0)

function plaintextMemory(bytes: number): Buffer {
  if (plaintextBuffer.length < bytes) plaintextBuffer = Buffer.allocUnsafeSlow(bytes)
  return plaintextBuffer.subarray(0, bytes)
}

/** Runs in a worker, as `sealLog`. */
export interface OpenLogJob {
  readonly sealed: Uint8Array
  readonly place: LogPlace
  /** Memory for the content; where it is too short, other memory is used. */
  readonly into: Uint8Array | undefined
}

/** Opens an object; `damaged` when it is not what was stored under this name. */
export function openLog({ sealed, place, into }: OpenLogJob, cipher: Cipher, zstd: Zstd): OpenedLog {
  const { head, plain, frame } = openHeader(sealed, place, cipher)
  const memory = into && Buffer.from(into.buffer, into.byteOffset, into.byteLength)
  const bytes = zstd.decompress(frame, head.sizeBytes, memory)
  // The sealed object and what came out of it, several megabytes each.
  freeMemory(plain)
  freeMemory(sealed)
  if (bytes === undefined) throw damaged(place.key, 'its content cannot be decompressed')
  if (bytes.length !== head.sizeBytes || hash('sha256', bytes) !== head.sha256) {
    throw damaged(place.key, 'its content is not what was stored')
  }
  // The codec's own memory is used again for the next one.
  return { header: head, bytes: memory && bytes.buffer === memory.buffer ? bytes : Uint8Array.from(bytes) }
}

/** The header alone, without decompressing the content. */
export function openLogHeader(sealed: Uint8Array, place: LogPlace, cipher: Cipher): LogHeader {
  return openHeader(sealed, place, cipher).head
}

function openHeader(
  sealed: Uint8Array,
  place: LogPlace,
  cipher: Cipher,
): { head: LogHeader; plain: Buffer; frame: Buffer } {
  const plain = cipher.open(sealed)
  if (plain === undefined) throw damaged(place.key, 'it was not sealed with the key of this repository, or changed')
  const headBytes = plain.length >= FIXED_BYTES ? plain.readUInt32LE(MAGIC.length) : 0
  const end = FIXED_BYTES + headBytes
  if (!plain.subarray(0, MAGIC.length).equals(MAGIC) || end > plain.length)
    throw damaged(place.key, 'it is no log file')
  const head = header.safeParse(parseJson(plain.toString('utf8', FIXED_BYTES, end)))
  if (!head.success) throw damaged(place.key, 'its header cannot be understood')
  const { log, name, unfinished } = head.data
  const isIt = name === place.file.name && unfinished === place.file.unfinished
  if (!isIt || log.kind !== place.log.kind || log.id !== place.log.id) {
    throw damaged(place.key, `it holds ${describeLogFile(head.data)} of log ${log.id}`)
  }
  return { head: head.data, plain, frame: plain.subarray(end) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function damaged(key: string, why: string): AppError {
  return new AppError('damaged', `log file ${key} is damaged: ${why}`, {
    hint: 'Recovery can go up to it, not past it. If the source still has the file, remove this one and push it again.',
    context: { key },
  })
}
