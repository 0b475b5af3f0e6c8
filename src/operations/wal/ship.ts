import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { isAppError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import { parseWalFileName, type WalFile } from '../../model/wal.ts'
import type { WalContent, WalStore } from '../../repository/index.ts'
import { readWalFile } from './wal-file.ts'

export interface ShipRequest {
  /** Where files of the log come in. */
  readonly folder: string
  readonly systemIdentifier: string
  readonly stores: readonly WalStore[]
  readonly intervalMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** How far the stored log is behind what was received. */
export interface ShipProgress {
  /** Files that wait to be stored, and what they hold. */
  readonly waitingFiles: number
  readonly waitingBytes: number
  readonly storedFiles: number
  /** Name of the newest file that is stored. */
  readonly newest: string | undefined
  /** Why the storage does not take them, in that case. */
  readonly storageFailure: string | undefined
}

const LONGEST_PAUSE_MS = 60_000

/** Stores what comes into a folder, oldest first, and removes it when every repository has it. */
export class WalShipper {
  readonly #request: ShipRequest
  readonly #stored = new Set<string>()
  readonly #memory = new SharedMemory()
  #storedFiles = 0
  #newest: string | undefined
  #lastPartial = ''
  #failures = 0

  constructor(request: ShipRequest) {
    this.#request = request
  }

  /** Until the signal fires. */
  async run(onProgress: (progress: ShipProgress) => void): Promise<void> {
    const { clock, intervalMs, signal } = this.#request
    while (!signal.aborted) {
      onProgress(await this.#round())
      const pauseMs = Math.min(intervalMs * 2 ** Math.min(this.#failures, 6), Math.max(intervalMs, LONGEST_PAUSE_MS))
      await clock.sleep(pauseMs, signal)
    }
  }

  /** One more round at the end, though the signal has fired. */
  async shipLast(): Promise<ShipProgress> {
    return await this.#round(new AbortController().signal)
  }

  async #round(signal = this.#request.signal): Promise<ShipProgress> {
    let storageFailure: string | undefined
    try {
      await this.#ship(signal)
      this.#failures = 0
    } catch (error) {
      if (!isAppError(error)) throw error
      if (!isAppError(error, 'interrupted')) {
        this.#failures++
        storageFailure = messageOf(error)
        this.#request.logger.warn('the received log cannot be stored, trying again', { reason: storageFailure })
      }
    }
    return { ...(await this.#measure()), storedFiles: this.#storedFiles, newest: this.#newest, storageFailure }
  }

  async #ship(signal: AbortSignal): Promise<void> {
    const files = await this.#list()
    const segments = files.filter(file => file.kind === 'segment')
    for (const file of files) {
      if (file.kind === 'partial' || this.#stored.has(file.name)) continue
      await this.#store(await this.#read(file), signal)
      this.#stored.add(file.name)
    }
    // The newest stays: the receiver looks at it to know where to go on.
    for (const file of segments.slice(0, -1)) {
      await rm(join(this.#request.folder, file.name), { force: true })
      this.#stored.delete(file.name)
    }
    const partial = files.findLast(file => file.kind === 'partial')
    if (partial) await this.#storePartial(partial, signal)
  }

  async #storePartial(file: WalFile, signal: AbortSignal): Promise<void> {
    const path = join(this.#request.folder, file.name)
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    const state = found && `${file.name} ${found.mtimeNs}`
    if (state === undefined || state === this.#lastPartial) return
    // Not started yet, or finished and renamed meanwhile: the next round finds it.
    const content = await this.#read(file).catch(() => undefined)
    if (content === undefined) return
    await this.#store(content, signal)
    this.#lastPartial = state
  }

  #read(file: WalFile): Promise<WalContent> {
    const { folder, systemIdentifier } = this.#request
    return readWalFile(join(folder, file.name), systemIdentifier, this.#memory)
  }

  async #store(content: WalContent, signal: AbortSignal): Promise<void> {
    for (const store of this.#request.stores) await store.save(content, signal)
    this.#memory.give(content.bytes)
    this.#storedFiles++
    this.#newest = content.name
  }

  async #measure(): Promise<{ waitingFiles: number; waitingBytes: number }> {
    const waiting = (await this.#list()).filter(file => file.kind !== 'partial' && !this.#stored.has(file.name))
    let waitingBytes = 0
    for (const file of waiting) {
      const found = await stat(join(this.#request.folder, file.name)).catch(() => undefined)
      waitingBytes += found?.size ?? 0
    }
    return { waitingFiles: waiting.length, waitingBytes }
  }

  /** Oldest first; timelines one after the other. */
  async #list(): Promise<WalFile[]> {
    const names = (await readdir(this.#request.folder)).toSorted()
    return names.map(parseWalFileName).filter(file => file !== undefined)
  }
}
