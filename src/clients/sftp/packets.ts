import { decodeName, encodeName, printableName } from '../../base/bytes.ts'
import { SftpConnectionError } from './errors.ts'

/**
 * The packets of SFTP version 3, the one that OpenSSH speaks: a length, a type, an id, and what the type says. Numbers are
 * big-endian; strings have their length before them.
 *
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02
 */
export const VERSION = 3

export const TYPE = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  fstat: 8,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  stat: 17,
  rename: 18,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const

export const OPEN = { read: 0x01, write: 0x02, create: 0x08, exclusive: 0x20 } as const

/** OpenSSH never sends a longer one. */
export const LONGEST_PACKET = 256 * 1024
/** Length, type, id, and the first number of what comes then: no answer but the first is shorter. */
export const HEAD_BYTES = 13

const LONGEST_MESSAGE_CHARS = 200

type Field = string | Uint8Array | { readonly uint32: number } | { readonly uint64: number }

/** One packet. `id` is undefined for the first one, `more` what is sent right behind, as its last string's content. */
export function encodePacket(type: number, id: number | undefined, fields: readonly Field[], more = 0): Buffer {
  const parts = [Buffer.alloc(id === undefined ? 5 : 9), ...fields.flatMap(encodeField)]
  const packet = Buffer.concat(parts)
  packet.writeUInt32BE(packet.length - 4 + more, 0)
  packet[4] = type
  if (id !== undefined) packet.writeUInt32BE(id, 5)
  return packet
}

function encodeField(field: Field): Buffer[] {
  if (typeof field === 'string' || field instanceof Uint8Array) {
    const bytes = typeof field === 'string' ? encodeName(field) : Buffer.from(field)
    return [uint32(bytes.length), bytes]
  }
  if ('uint32' in field) return [uint32(field.uint32)]
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(field.uint64))
  return [bytes]
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Of a file, as far as the server tells. */
export interface Attributes {
  readonly sizeBytes: number | undefined
  readonly kind: 'file' | 'folder' | 'other' | undefined
  readonly modifiedAt: Date | undefined
}

const HAS = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x80000000 } as const
const KIND_MASK = 0o170000
const KINDS: Readonly<Record<number, Attributes['kind']>> = { 0o100000: 'file', 0o040000: 'folder' }

/** The content of a packet. Whatever a server sends, it reads nothing beyond it, and throws `protocol` instead. */
export class PacketReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  uint32(): number {
    return this.#take(4).readUInt32BE()
  }

  /** Throws for what is no safe number. */
  uint64(): number {
    const value = this.#take(8).readBigUInt64BE()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolError('a number that is too large')
    return Number(value)
  }

  /** As `uint64`, where some servers say "no limit" by the largest number there is. */
  anyUint64(): number {
    return Number(this.#take(8).readBigUInt64BE())
  }

  string(): Buffer {
    return this.#take(this.uint32())
  }

  name(): string {
    return decodeName(this.string())
  }

  /** A text for people. Some servers leave it out. */
  message(): string {
    if (this.isAtEnd) return ''
    return printableName(this.string().toString('utf8')).slice(0, LONGEST_MESSAGE_CHARS)
  }

  attributes(): Attributes {
    const flags = this.uint32()
    const has = (bit: number): boolean => (flags & bit) !== 0
    const sizeBytes = has(HAS.size) ? this.uint64() : undefined
    if (has(HAS.owner)) this.#take(8)
    const mode = has(HAS.permissions) ? this.uint32() : undefined
    const times = has(HAS.times) ? [this.uint32(), this.uint32()] : []
    if (has(HAS.extended)) {
      for (let left = this.uint32(); left > 0; left--) {
        this.string()
        this.string()
      }
    }
    return {
      sizeBytes,
      kind: mode === undefined ? undefined : (KINDS[mode & KIND_MASK] ?? 'other'),
      modifiedAt: times[1] === undefined ? undefined : new Date(times[1] * 1000),
    }
  }

  #take(count: number): Buffer {
    const end = this.#at + count
    if (end > this.#bytes.length) throw protocolError('an answer that ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

/** @param what it sent: `an answer that ends too early` */
export function protocolError(what: string): SftpConnectionError {
  return new SftpConnectionError('protocol', `the server sent ${what}`)
}
