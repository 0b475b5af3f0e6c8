import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import type { Cipher } from '../crypto/cipher.ts'
import { MARK_BYTES, MARK_KEY_BYTES } from './marks.ts'

/** The marks of one content, and the key they were made with. */
export interface Marks {
  readonly key: Uint8Array
  /** `MARK_BYTES` for each marked part, one after the other. */
  readonly bytes: Uint8Array
}

const MAGIC = 0x4c42_4d31
const SUFFIX = '.marks'
const HEAD_BYTES = 8 + 32 + MARK_KEY_BYTES
/** Marks that no backup has asked for of late make room. */
const MAX_FILES = 1024

/**
 * Marks of the contents that were stored from this machine, one sealed file each. A file is found by the ids of the
 * content's blobs and says them again inside: what opens with the repository's key was written for exactly these
 * blobs, so that there is nothing to be stale against. All else counts as missing, and the content is hashed.
 */
export class MarkFolder {
  readonly #folder: string
  readonly #cipher: Cipher
  readonly #random: Random

  constructor(cacheDir: string, cipher: Cipher, random: Random) {
    this.#folder = join(cacheDir, 'marks')
    this.#cipher = cipher
    this.#random = random
  }

  newKey(): Uint8Array {
    return this.#random.bytes(MARK_KEY_BYTES)
  }

  /** @param ids 32 bytes a blob */
  async load(ids: Uint8Array, blockBytes: number): Promise<Marks | undefined> {
    const content = digestOf(ids, blockBytes)
    const path = this.#path(content)
    try {
      const opened = this.#cipher.open(await readFile(path))
      const found = opened && parse(opened, content)
      const now = new Date()
      if (found) await utimes(path, now, now)
      return found
    } catch {
      return undefined
    }
  }

  async save(ids: Uint8Array, blockBytes: number, marks: Marks): Promise<void> {
    const content = digestOf(ids, blockBytes)
    const path = this.#path(content)
    const temporary = `${path}.${this.#random.bytes(6).toString('hex')}.tmp`
    try {
      await makeFolders(this.#folder, 0o700)
      await writeFile(temporary, this.#cipher.seal(format(content, marks)), { mode: 0o600, flag: 'wx' })
      await rename(temporary, path)
      await this.#makeRoom()
    } catch {
      // A cache that cannot be written costs time, nothing else.
      await rm(temporary, { force: true }).catch(() => {})
    }
  }

  #path(content: Buffer): string {
    return join(this.#folder, content.toString('hex', 0, 16) + SUFFIX)
  }

  async #makeRoom(): Promise<void> {
    const names = await readdir(this.#folder)
    if (names.length <= MAX_FILES) return
    const files = await Promise.all(
      names.map(async name => ({ name, usedMs: (await stat(join(this.#folder, name))).mtimeMs })),
    )
    const oldest = files.sort((a, b) => a.usedMs - b.usedMs).slice(0, files.length - MAX_FILES)
    for (const { name } of oldest) await rm(join(this.#folder, name), { force: true })
  }
}

function digestOf(ids: Uint8Array, blockBytes: number): Buffer {
  return createHash('sha256').update(numbers(blockBytes, ids.length)).update(ids).digest()
}

function format(content: Buffer, { key, bytes }: Marks): Buffer {
  return Buffer.concat([numbers(MAGIC, bytes.length), content, key, bytes])
}

function parse(opened: Buffer, content: Buffer): Marks | undefined {
  if (opened.length < HEAD_BYTES || opened.readUInt32LE(0) !== MAGIC) return undefined
  if (opened.readUInt32LE(4) !== opened.length - HEAD_BYTES || opened.length % MARK_BYTES !== HEAD_BYTES % MARK_BYTES)
    return undefined
  if (!opened.subarray(8, 40).equals(content)) return undefined
  return { key: opened.subarray(40, HEAD_BYTES), bytes: opened.subarray(HEAD_BYTES) }
}

function numbers(one: number, other: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(one, 0)
  bytes.writeUInt32LE(other, 4)
  return bytes
}
