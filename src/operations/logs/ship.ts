import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { isAppError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import type { LogFile } from '../../model/log.ts'
import type { LogContent, LogStore } from '../../repository/index.ts'
import type { LogFormat } from '../../sources/source.ts'
import { readLogFile } from './log-file.ts'

export interface ShipRequest {
  /** Where files of the log come in. */
  readonly folder: string
  readonly kind: string
  readonly format: LogFormat
  /** Of the log. */
  readonly id: string
  readonly stores: readonly LogStore[]
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
export class LogShipper {
  readonly #request: ShipRequest
  readonly #stored = new Set<string>()
  readonly #memory = new SharedMemory()
  #storedFiles = 0
  #newest: string | undefined
  #lastUnfinished = ''
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
    for (const received of files) {
      if (received.unfinished || this.#stored.has(received.entry)) continue
      await this.#store(await this.#read(received), received.entry, signal)
      this.#stored.add(received.entry)
    }
    // The newest stays: the receiver looks at it to know where to go on.
    const stretches = files.filter(file => !file.unfinished && file.order !== undefined)
    for (const { entry } of stretches.slice(0, -1)) {
      await rm(join(this.#request.folder, entry), { force: true })
      this.#stored.delete(entry)
    }
    const unfinished = files.findLast(file => file.unfinished)
    if (unfinished) await this.#storeUnfinished(unfinished, signal)
  }

  async #storeUnfinished(received: ReceivedFile, signal: AbortSignal): Promise<void> {
    const path = join(this.#request.folder, received.entry)
    const found = await stat(path, { bigint: true }).catch(() => undefined)
    const state = found && `${received.entry} ${found.mtimeNs}`
    if (state === undefined || state === this.#lastUnfinished) return
    // Not started yet, or finished and renamed meanwhile: the next round finds it.
    const content = await this.#read(received).catch(() => undefined)
    if (content === undefined) return
    await this.#store(content, received.entry, signal)
    this.#lastUnfinished = state
  }

  #read({ entry }: ReceivedFile): Promise<LogContent> {
    return readLogFile(join(this.#request.folder, entry), this.#request, this.#memory)
  }

  async #store(content: LogContent, entry: string, signal: AbortSignal): Promise<void> {
    for (const store of this.#request.stores) await store.save(content, signal)
    this.#memory.give(content.bytes)
    this.#storedFiles++
    this.#newest = entry
  }

  async #measure(): Promise<{ waitingFiles: number; waitingBytes: number }> {
    const waiting = (await this.#list()).filter(file => !file.unfinished && !this.#stored.has(file.entry))
    let waitingBytes = 0
    for (const { entry } of waiting) {
      const found = await stat(join(this.#request.folder, entry)).catch(() => undefined)
      waitingBytes += found?.size ?? 0
    }
    return { waitingFiles: waiting.length, waitingBytes }
  }

  /** Oldest first. */
  async #list(): Promise<ReceivedFile[]> {
    const entries = (await readdir(this.#request.folder)).toSorted()
    const files = entries.flatMap(entry => {
      const file = this.#request.format.parseName(entry)
      return file === undefined ? [] : [{ ...file, entry }]
    })
    return files.toSorted((a, b) => compare(a.order ?? '', b.order ?? ''))
  }
}

/** A file of the log with its name in the folder. */
interface ReceivedFile extends LogFile {
  readonly entry: string
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
