import { AppError, isAppError } from '../../base/errors.ts'
import { freeMemory } from '../../base/free-memory.ts'
import { parseWalFileName, type WalFile } from '../../model/wal.ts'
import type { SaveOptions, Storage, StoredObject } from '../../storage/storage.ts'
import type { StoredWal, WalContent, WalHeader, WalStore } from '../contract/wal.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { openWalHeader, type WalPlace } from './wal-object.ts'

const ROOT = 'wal/'

/** Sealed objects `wal/<system identifier>/<timeline>/<name>`, names in lower case. See docs/design/format-wal.md. */
export class SealedWalStore implements WalStore {
  readonly #storage: Storage
  readonly #cipher: Cipher
  readonly #workers: WorkerPool

  constructor(storage: Storage, { cipher, workers }: { readonly cipher: Cipher; readonly workers: WorkerPool }) {
    this.#storage = storage
    this.#cipher = cipher
    this.#workers = workers
  }

  get location(): string {
    return this.#storage.location
  }

  get #takesLogs(): boolean {
    return this.#storage.traits.keys === 'any'
  }

  async save(content: WalContent, signal?: AbortSignal): Promise<'stored' | 'same'> {
    const file = requireWalFile(content.name)
    if (!this.#takesLogs) throw noLogs(this.location)
    const key = keyOf(content.systemIdentifier, file)
    if (file.kind === 'partial') return await this.#savePartial(key, content, signal)
    if (await this.#storage.find(key, { signal })) return await this.#requireSame(key, content, signal)
    try {
      await this.#seal(key, content, { ifAbsent: true, signal })
    } catch (error) {
      if (!isAppError(error, 'storage-exists')) throw error
      return await this.#requireSame(key, content, signal)
    }
    if (file.kind === 'segment') await this.#storage.remove(`${key}.partial`, { signal })
    return 'stored'
  }

  async find(
    systemIdentifier: string,
    name: string,
    signal?: AbortSignal,
    into?: Buffer,
  ): Promise<{ readonly header: WalHeader; readonly bytes: Buffer } | undefined> {
    const key = keyOf(systemIdentifier, requireWalFile(name))
    const sealed = await this.#load(key, signal)
    return sealed && (await this.#open(sealed, { key, name, systemIdentifier }, into))
  }

  async findHeader(systemIdentifier: string, name: string, signal?: AbortSignal): Promise<WalHeader | undefined> {
    const key = keyOf(systemIdentifier, requireWalFile(name))
    const sealed = await this.#load(key, signal)
    return sealed && openWalHeader(sealed, { key, name, systemIdentifier }, this.#cipher)
  }

  async *list(systemIdentifier: string, signal?: AbortSignal): AsyncGenerator<StoredWal> {
    for await (const object of this.#storage.list(`${ROOT}${systemIdentifier}/`, { signal })) {
      const file = fileOf(object)
      if (file) yield { file, storedBytes: object.sizeBytes }
    }
  }

  async listClusters(signal?: AbortSignal): Promise<string[]> {
    const found = new Set<string>()
    for await (const key of this.#storage.listKeys(ROOT, { signal })) {
      const identifier = key.split('/')[1]
      if (identifier !== undefined && /^\d+$/.test(identifier)) found.add(identifier)
    }
    return [...found].toSorted()
  }

  async remove(systemIdentifier: string, name: string, signal?: AbortSignal): Promise<void> {
    if (this.#takesLogs) await this.#storage.remove(keyOf(systemIdentifier, requireWalFile(name)), { signal })
  }

  async #savePartial(key: string, content: WalContent, signal: AbortSignal | undefined): Promise<'stored' | 'same'> {
    if (await this.#storage.find(key.slice(0, -'.partial'.length), { signal })) return 'same'
    const there = await this.#load(key, signal)
    if (there !== undefined) {
      const { name, systemIdentifier } = content
      const { bytes } = await this.#open(there, { key, name, systemIdentifier })
      const longer = whichGoesOn(bytes, content.bytes)
      if (longer === undefined) throw conflict(content.name, this.location)
      if (longer === 'old') return 'same'
      if (!this.#storage.traits.overwrites) throw noReplacing(this.location)
    }
    await this.#seal(key, content, { signal })
    return 'stored'
  }

  async #seal(key: string, content: WalContent, options: SaveOptions): Promise<void> {
    const sealed = await this.#workers.sealWal(content)
    await this.#storage.save(key, sealed, options)
    for (const part of sealed) freeMemory(part)
  }

  async #requireSame(key: string, content: WalContent, signal: AbortSignal | undefined): Promise<'stored' | 'same'> {
    const { name, systemIdentifier } = content
    const { bytes } = await this.#open(await this.#storage.load(key, { signal }), { key, name, systemIdentifier })
    if (bytes.equals(content.bytes)) return 'same'
    throw conflict(name, this.location)
  }

  async #open(
    sealed: Buffer,
    place: WalPlace,
    into?: Buffer,
  ): Promise<{ readonly header: WalHeader; readonly bytes: Buffer }> {
    const { header, bytes } = await this.#workers.openWal({ sealed, place, into })
    return { header, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
  }

  async #load(key: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    if (!this.#takesLogs) return undefined
    try {
      return await this.#storage.load(key, { signal })
    } catch (error) {
      if (isAppError(error, 'storage-not-found')) return undefined
      throw error
    }
  }
}

function noLogs(location: string): AppError {
  return new AppError('unsupported', `${location} takes only files of a restic repository, so it cannot keep a log`, {
    hint: 'Send the log to a repository on another kind of storage; snapshots can be kept here.',
  })
}

function noReplacing(location: string): AppError {
  return new AppError('unsupported', `${location} replaces no objects, so an unfinished log file cannot grow there`, {
    hint: 'Leave the folder "wal" out of what is locked there, or send the log to another repository.',
  })
}

function requireWalFile(name: string): WalFile {
  const file = parseWalFileName(name)
  if (file) return file
  throw new AppError('usage', `not a log file's name: ${JSON.stringify(name)}`, {
    hint: 'Names look like 000000010000000A000000FE or 00000002.history.',
  })
}

function keyOf(systemIdentifier: string, file: WalFile): string {
  if (!/^\d{1,20}$/.test(systemIdentifier)) {
    throw new AppError('usage', `not a system identifier: ${JSON.stringify(systemIdentifier)}`)
  }
  return `${ROOT}${systemIdentifier}/${file.name.slice(0, 8).toLowerCase()}/${file.name.toLowerCase()}`
}

function fileOf(object: StoredObject): WalFile | undefined {
  const [stem = '', ...suffixes] = object.key.slice(object.key.lastIndexOf('/') + 1).split('.')
  const upper = [stem.toUpperCase(), ...suffixes.map(part => (/^[0-9a-f]{8}$/.test(part) ? part.toUpperCase() : part))]
  return parseWalFileName(upper.join('.'))
}

/** Of two states of one unfinished segment, the later one; undefined when neither continues the other. */
function whichGoesOn(old: Buffer, fresh: Uint8Array): 'old' | 'new' | undefined {
  const next = Buffer.from(fresh.buffer, fresh.byteOffset, fresh.byteLength)
  const oldUsed = usedBytes(old)
  const newUsed = usedBytes(next)
  const common = Math.min(oldUsed, newUsed)
  if (!old.subarray(0, common).equals(next.subarray(0, common))) return undefined
  return newUsed > oldUsed ? 'new' : 'old'
}

/** Up to the last byte that is not zero: unfinished segments are padded. */
function usedBytes(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

function conflict(name: string, location: string): AppError {
  return new AppError('storage-exists', `log file ${name} is in ${location} already, with other content`, {
    hint: 'Two servers may be writing one timeline, like a copy that was started with archiving on: set archive_mode=off there. Nothing was overwritten.',
    context: { name },
  })
}
