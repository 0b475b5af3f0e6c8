import { decodeName } from '../../../../base/bytes.ts'
import { AppError } from '../../../../base/errors.ts'

/** One member of a tar archive. Times in seconds since the epoch. */
export interface TarMember {
  readonly name: string
  readonly type: 'file' | 'dir' | 'symlink'
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modifiedAt: number
}

/** Fills `into` as far as there is data; less than asked only at the end. */
export type ReadBytes = (into: Uint8Array) => Promise<number>

const BLOCK_BYTES = 512
const SKIP_BYTES = 64 * 1024

/**
 * Reads a tar archive as PostgreSQL writes it (ustar, sizes beyond 8 GiB in base 256), member by member. Before the next
 * member is asked for, the content of the last one is read by `read`; what is left of it is skipped.
 */
export class TarReader {
  readonly #source: ReadBytes
  #left = 0
  #padding = 0

  constructor(source: ReadBytes) {
    this.#source = source
  }

  /** Undefined at the end of the archive. Throws `source-invalid` when the stream is none or is cut. */
  async next(): Promise<TarMember | undefined> {
    await this.#skip(this.#left + this.#padding)
    const header = Buffer.alloc(BLOCK_BYTES)
    const count = await this.#source(header)
    // Before PostgreSQL 15 the blocks of zeros at the end are not sent. The source tells an end from a cut.
    if (count === 0) return undefined
    if (count < header.length) throw invalid('it ends in the middle')
    if (header.every(byte => byte === 0)) {
      await this.#skipRest()
      return undefined
    }
    const member = parseHeader(header)
    this.#left = member.type === 'file' ? member.sizeBytes : 0
    this.#padding = (BLOCK_BYTES - (this.#left % BLOCK_BYTES)) % BLOCK_BYTES
    return member
  }

  /** The current member's content. */
  async read(into: Uint8Array): Promise<number> {
    const wanted = into.subarray(0, Math.min(into.length, this.#left))
    if (wanted.length === 0) return 0
    await this.#readExactly(wanted)
    this.#left -= wanted.length
    return wanted.length
  }

  async #skip(count: number): Promise<void> {
    let left = count
    while (left > 0) {
      const part = Buffer.alloc(Math.min(left, SKIP_BYTES))
      await this.#readExactly(part)
      left -= part.length
    }
    this.#left = 0
    this.#padding = 0
  }

  /** Archives end with blocks of zeros, and their writer waits until they are taken. */
  async #skipRest(): Promise<void> {
    const part = Buffer.alloc(SKIP_BYTES)
    while ((await this.#source(part)) === part.length);
  }

  async #readExactly(into: Uint8Array): Promise<void> {
    if ((await this.#source(into)) < into.length) throw invalid('it ends in the middle')
  }
}

function parseHeader(header: Buffer): TarMember {
  const stored = readNumber(header, 148, 8)
  let sum = 0
  for (let at = 0; at < BLOCK_BYTES; at++) sum += at >= 148 && at < 156 ? 32 : (header[at] ?? 0)
  if (stored !== sum) throw invalid('a header is damaged')
  const prefix = readText(header, 345, 155)
  const name = readText(header, 0, 100)
  return {
    name: (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//, '').replace(/\/$/, ''),
    type: typeOf(header.toString('latin1', 156, 157)),
    sizeBytes: readNumber(header, 124, 12),
    mode: readNumber(header, 100, 8) & 0o7777,
    uid: readNumber(header, 108, 8),
    gid: readNumber(header, 116, 8),
    modifiedAt: readNumber(header, 136, 12),
  }
}

function typeOf(flag: string): TarMember['type'] {
  if (flag === '0' || flag === '\0') return 'file'
  if (flag === '5') return 'dir'
  if (flag === '2') return 'symlink'
  throw invalid(`a member is of unknown type ${JSON.stringify(flag)}`)
}

function readText(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length)
  const end = field.indexOf(0)
  return decodeName(end < 0 ? field : field.subarray(0, end))
}

/** Octal digits, or with the first bit set a big-endian number. */
function readNumber(header: Buffer, at: number, length: number): number {
  if (((header[at] ?? 0) & 0x80) !== 0) {
    let value = (header[at] ?? 0) & 0x7f
    for (let i = 1; i < length; i++) value = value * 256 + (header[at + i] ?? 0)
    return value
  }
  const text = header
    .toString('latin1', at, at + length)
    .replace(/[\0 ]+$/, '')
    .trim()
  if (text === '') return 0
  if (!/^[0-7]+$/.test(text)) throw invalid('a header holds no number where there must be one')
  return Number.parseInt(text, 8)
}

function invalid(why: string): AppError {
  return new AppError('source-invalid', `the copy that the server sent is not a tar archive: ${why}`, {
    hint: "Look into the server's log, then run the backup again.",
  })
}
