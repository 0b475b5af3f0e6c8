import { hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import { ENTRY_BYTES } from './entries.ts'
import { Segment, type SegmentContent } from './segment.ts'

const MAGIC = 0x4c42_4932
const HEAD_WORDS = 6
const HASH_BYTES = 32
const SUFFIX = '.index'
const MAX_BITS = 24

/**
 * One segment a file, written once and never changed, so that any number of processes may use the folder at once:
 * head, hash of the tables, index ids, pack ids, bucket table, entries, hash of the entries. A file that is gone,
 * cut or changed only means that its index files are read again from the repository.
 */
export class SegmentFolder {
  readonly #folder: string
  readonly #random: Random

  constructor(folder: string, random: Random) {
    this.#folder = folder
    this.#random = random
  }

  async names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter(name => name.endsWith(SUFFIX))
    } catch {
      return []
    }
  }

  /** Which index files a segment is of; undefined when it is not whole. */
  open(name: string, memoryEntries: number): Segment | undefined {
    let fd: number | undefined
    try {
      fd = openSync(join(this.#folder, name), 'r')
      const content = readContent(fd, memoryEntries)
      if (content && !(content.entries instanceof Uint32Array)) fd = undefined
      return content && new Segment(content)
    } catch {
      return undefined
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  /** Returns the file's name, the same for the same index files; undefined when it cannot be written. */
  async save(content: SegmentContent & { readonly entries: Uint32Array }): Promise<string | undefined> {
    const name = hash('sha256', [...content.indexIds].sort().join('')).slice(0, 32) + SUFFIX
    const temporary = join(this.#folder, `${name}.${this.#random.bytes(6).toString('hex')}.tmp`)
    try {
      await makeFolders(this.#folder, 0o700)
      await writeFile(temporary, formatContent(content), { mode: 0o600, flag: 'wx' })
      await rename(temporary, join(this.#folder, name))
      return name
    } catch {
      // A cache that cannot be written costs time, nothing else.
      await rm(temporary, { force: true }).catch(() => {})
      return undefined
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true }).catch(() => {})
  }
}

function formatContent(content: SegmentContent & { readonly entries: Uint32Array }): Uint8Array[] {
  const { indexIds, packIds, starts, bits, count, entries } = content
  const head = new Uint32Array([MAGIC, 1, count, packIds.length / 32, indexIds.length, bits])
  const tables = Buffer.concat([bytesOf(head), Buffer.from(indexIds.join(''), 'hex'), packIds, bytesOf(starts)])
  const body = bytesOf(entries)
  return [
    tables.subarray(0, HEAD_WORDS * 4),
    hash('sha256', tables, 'buffer'),
    tables.subarray(HEAD_WORDS * 4),
    body,
    hash('sha256', body, 'buffer'),
  ]
}

function readContent(fd: number, memoryEntries: number): SegmentContent | undefined {
  const sizeBytes = fstatSync(fd).size
  const headBytes = readFully(fd, HEAD_WORDS * 4 + HASH_BYTES, 0)
  const [magic, version, count = 0, packs = 0, indexes = 0, bits = 0] = wordsOf(headBytes.subarray(0, HEAD_WORDS * 4))
  if (magic !== MAGIC || version !== 1 || bits > MAX_BITS) return undefined
  const tableBytes = (indexes + packs) * 32 + (2 ** bits + 1) * 4
  const entriesAt = headBytes.length + tableBytes
  if (entriesAt + count * ENTRY_BYTES + HASH_BYTES !== sizeBytes) return undefined
  const rest = readFully(fd, tableBytes, headBytes.length)
  const tables = Buffer.concat([headBytes.subarray(0, HEAD_WORDS * 4), rest])
  if (!hash('sha256', tables, 'buffer').equals(headBytes.subarray(HEAD_WORDS * 4))) return undefined
  const entries = count <= memoryEntries ? readEntries(fd, count, entriesAt) : { fd, offset: entriesAt }
  if (entries === undefined) return undefined
  const hex = rest.toString('hex', 0, indexes * 32)
  return {
    indexIds: Array.from({ length: indexes }, (_, i) => hex.slice(i * 64, i * 64 + 64)),
    packIds: rest.subarray(indexes * 32, (indexes + packs) * 32),
    starts: wordsOf(rest.subarray((indexes + packs) * 32)),
    bits,
    count,
    entries,
  }
}

function readEntries(fd: number, count: number, at: number): Uint32Array | undefined {
  const bytes = readFully(fd, count * ENTRY_BYTES + HASH_BYTES, at)
  const body = bytes.subarray(0, count * ENTRY_BYTES)
  return hash('sha256', body, 'buffer').equals(bytes.subarray(body.length)) ? wordsOf(body) : undefined
}

function readFully(fd: number, bytes: number, position: number): Buffer {
  const out = Buffer.allocUnsafeSlow(bytes)
  let done = 0
  while (done < bytes) {
    const read = readSync(fd, out, done, bytes - done, position + done)
    if (read === 0) throw new Error('the file is too short')
    done += read
  }
  return out
}

function bytesOf(words: Uint32Array): Buffer {
  return Buffer.from(words.buffer, words.byteOffset, words.byteLength)
}

function wordsOf(bytes: Buffer): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(Uint8Array.from(bytes).buffer)
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4)
}
