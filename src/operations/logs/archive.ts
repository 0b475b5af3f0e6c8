import type { LogFile, LogId } from '../../model/log.ts'
import type { LogStore } from '../../repository/index.ts'
import type { LogCoverage, LogFormat, LogReader } from '../../sources/source.ts'

/** What a repository holds of one log. */
export interface LogArchive {
  readonly log: LogId
  readonly format: LogFormat
  readonly files: number
  /** Compressed and sealed. */
  readonly storedBytes: number
  /** Names of the files of which there is only what was received so far. */
  readonly unfinished: ReadonlySet<string>
  readonly reader: LogReader
  readonly coverage: LogCoverage
}

/** Lists a log's files, and reads what it covers. Names that are none of this format are passed over. */
export async function readArchive(
  store: LogStore,
  log: LogId,
  format: LogFormat,
  signal: AbortSignal,
): Promise<LogArchive> {
  const byName = new Map<string, LogFile>()
  let files = 0
  let storedBytes = 0
  for await (const { name, unfinished, storedBytes: bytes } of store.list(log, signal)) {
    const file = format.parseName(name)
    if (file === undefined) continue
    files++
    storedBytes += bytes
    if (!unfinished || !byName.has(name)) byName.set(name, { ...file, unfinished })
  }
  const unfinished = new Set([...byName.values()].filter(file => file.unfinished).map(file => file.name))
  const reader = new ArchiveReader({ store, log, files: [...byName.values()], unfinished, signal })
  return { log, format, files, storedBytes, unfinished, reader, coverage: await format.readCoverage(reader) }
}

class ArchiveReader implements LogReader {
  readonly id: string
  readonly files: readonly LogFile[]
  readonly #log: LogId
  readonly #store: LogStore
  readonly #unfinished: ReadonlySet<string>
  readonly #signal: AbortSignal

  constructor(archive: {
    readonly store: LogStore
    readonly log: LogId
    readonly files: readonly LogFile[]
    readonly unfinished: ReadonlySet<string>
    readonly signal: AbortSignal
  }) {
    this.id = archive.log.id
    this.files = archive.files
    this.#log = archive.log
    this.#store = archive.store
    this.#unfinished = archive.unfinished
    this.#signal = archive.signal
  }

  async find(name: string, into?: Buffer): Promise<{ readonly bytes: Buffer } | undefined> {
    return await this.#either(name, unfinished => this.#store.find(this.#log, { name, unfinished }, this.#signal, into))
  }

  async findHeader(name: string): Promise<{ readonly sizeBytes: number; readonly writtenAt: Date } | undefined> {
    const header = await this.#either(name, unfinished =>
      this.#store.findHeader(this.#log, { name, unfinished }, this.#signal),
    )
    return header && { sizeBytes: header.sizeBytes, writtenAt: new Date(header.writtenAt) }
  }

  /** An unfinished file may have been finished since it was listed. */
  async #either<T>(name: string, find: (unfinished: boolean) => Promise<T | undefined>): Promise<T | undefined> {
    const first = this.#unfinished.has(name)
    return (await find(first)) ?? (await find(!first))
  }
}
