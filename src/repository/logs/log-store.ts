import { AppError, isAppError } from '../../base/errors.ts'
import { freeMemory } from '../../base/free-memory.ts'
import type { LogFileName, LogId } from '../../model/log.ts'
import type { SaveOptions, Storage } from '../../storage/storage.ts'
import type { LogContent, LogHeader, LogStore, StoredLogFile } from '../contract/logs.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { FINISHED, folderOf, keyOf, parseKey, UNFINISHED } from './log-keys.ts'
import { type LogPlace, openLogHeader } from './log-object.ts'

/** Sealed objects `logs/<kind>/<id>/<name>`, unfinished ones below `logs-unfinished/`. See docs/design/format-logs.md. */
export class SealedLogStore implements LogStore {
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

  get #folders(): readonly string[] {
    return this.#takesLogs ? [FINISHED, UNFINISHED] : []
  }

  async save(content: LogContent, signal?: AbortSignal): Promise<'stored' | 'same'> {
    const { log, name } = content
    const place = placeOf(log, content)
    if (!this.#takesLogs) throw noLogs(this.location)
    if (content.unfinished) return await this.#saveUnfinished(place, content, signal)
    if (await this.#storage.find(place.key, { signal })) return await this.#requireSame(place, content, signal)
    try {
      await this.#seal(place.key, content, { ifAbsent: true, signal })
    } catch (error) {
      if (!isAppError(error, 'storage-exists')) throw error
      return await this.#requireSame(place, content, signal)
    }
    await this.#storage.remove(keyOf(log, { name, unfinished: true }), { signal })
    return 'stored'
  }

  async find(
    log: LogId,
    file: LogFileName,
    signal?: AbortSignal,
    into?: Buffer,
  ): Promise<{ readonly header: LogHeader; readonly bytes: Buffer } | undefined> {
    const place = placeOf(log, file)
    const sealed = await this.#load(place.key, signal)
    return sealed && (await this.#open(sealed, place, into))
  }

  async findHeader(log: LogId, file: LogFileName, signal?: AbortSignal): Promise<LogHeader | undefined> {
    const place = placeOf(log, file)
    const sealed = await this.#load(place.key, signal)
    return sealed && openLogHeader(sealed, place, this.#cipher)
  }

  async *list(log: LogId, signal?: AbortSignal): AsyncGenerator<StoredLogFile> {
    for (const root of this.#folders) {
      for await (const { key, sizeBytes } of this.#storage.list(`${root}${folderOf(log)}`, { signal })) {
        const found = parseKey(key)
        if (found) yield { ...found.file, storedBytes: sizeBytes }
      }
    }
  }

  async listLogs(signal?: AbortSignal): Promise<LogId[]> {
    const found = new Map<string, LogId>()
    for (const root of this.#folders) {
      for await (const key of this.#storage.listKeys(root, { signal })) {
        const log = parseKey(key)?.log
        if (log) found.set(folderOf(log), log)
      }
    }
    return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, log]) => log)
  }

  async remove(log: LogId, file: LogFileName, signal?: AbortSignal): Promise<void> {
    if (this.#takesLogs) await this.#storage.remove(keyOf(log, file), { signal })
  }

  async #saveUnfinished(
    place: LogPlace,
    content: LogContent,
    signal: AbortSignal | undefined,
  ): Promise<'stored' | 'same'> {
    const finished = keyOf(content.log, { name: content.name, unfinished: false })
    if (await this.#storage.find(finished, { signal })) return 'same'
    const there = await this.#load(place.key, signal)
    if (there !== undefined) {
      const { bytes } = await this.#open(there, place)
      const longer = whichGoesOn(bytes, content.bytes)
      if (longer === undefined) throw conflict(content.name, this.location)
      if (longer === 'old') return 'same'
      if (!this.#storage.traits.overwrites) throw noReplacing(this.location)
    }
    await this.#seal(place.key, content, { signal })
    return 'stored'
  }

  async #seal(key: string, content: LogContent, options: SaveOptions): Promise<void> {
    const sealed = await this.#workers.sealLog(content)
    await this.#storage.save(key, sealed, options)
    for (const part of sealed) freeMemory(part)
  }

  async #requireSame(
    place: LogPlace,
    content: LogContent,
    signal: AbortSignal | undefined,
  ): Promise<'stored' | 'same'> {
    const { bytes } = await this.#open(await this.#storage.load(place.key, { signal }), place)
    if (bytes.equals(content.bytes)) return 'same'
    throw conflict(content.name, this.location)
  }

  async #open(
    sealed: Buffer,
    place: LogPlace,
    into?: Buffer,
  ): Promise<{ readonly header: LogHeader; readonly bytes: Buffer }> {
    const { header, bytes } = await this.#workers.openLog({ sealed, place, into })
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

function placeOf(log: LogId, { name, unfinished }: LogFileName): LogPlace {
  const file = { name, unfinished }
  return { key: keyOf(log, file), log, file }
}

function noLogs(location: string): AppError {
  return new AppError('unsupported', `${location} takes only files of a restic repository, so it cannot keep a log`, {
    hint: 'Send the log to a repository on another kind of storage; snapshots can be kept here.',
  })
}

function noReplacing(location: string): AppError {
  return new AppError('unsupported', `${location} replaces no objects, so an unfinished log file cannot grow there`, {
    hint: 'Leave the folder "logs-unfinished" out of what is locked there, or send the log to another repository.',
  })
}

/** Of two states of one unfinished file, the later one; undefined when neither continues the other. */
function whichGoesOn(old: Buffer, fresh: Uint8Array): 'old' | 'new' | undefined {
  const next = Buffer.from(fresh.buffer, fresh.byteOffset, fresh.byteLength)
  const oldUsed = usedBytes(old)
  const newUsed = usedBytes(next)
  const common = Math.min(oldUsed, newUsed)
  if (!old.subarray(0, common).equals(next.subarray(0, common))) return undefined
  return newUsed > oldUsed ? 'new' : 'old'
}

/** Up to the last byte that is not zero: unfinished files may be padded. */
function usedBytes(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

function conflict(name: string, location: string): AppError {
  return new AppError('storage-exists', `log file ${name} is in ${location} already, with other content`, {
    hint: 'Two servers may be writing one log, like a copy that was started with archiving on: turn it off there. Nothing was overwritten.',
    context: { name },
  })
}
