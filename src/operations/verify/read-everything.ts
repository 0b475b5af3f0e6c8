import { forEachLimit } from '../../base/concurrency.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { CheckOutcome } from '../../model/report.ts'
import type { Repository } from '../../repository/index.ts'
import type { SnapshotEntry, SnapshotReader, VerifyOutcome } from '../../sources/source.ts'

/** Files read in one go: each of its own would cost more than its bytes. */
const BATCH_BYTES = 32 * 1024 * 1024
const BATCH_FILES = 1000
/** Each reads ahead by itself; two keep the workers busy where one ends. */
const BATCHES_AT_ONCE = 2

export interface ReadingRequest {
  readonly repository: Repository
  readonly snapshot: SnapshotReader
  readonly signal: AbortSignal
  readonly onProgress?: ((bytesRead: number) => void) | undefined
}

/**
 * Reads every byte of a snapshot and holds each blob to its hash, each file to its size, and all to the manifest's totals.
 * Nothing is written. What can't be read is one finding a file, so that a person knows what is lost; the rest is read.
 */
export async function readEverything(request: ReadingRequest): Promise<VerifyOutcome> {
  const reading = new Reading(request)
  await forEachLimit(batches(reading.entries()), BATCHES_AT_ONCE, batch => reading.readBatch(batch))
  return reading.outcome()
}

/** Trees that can't be read end the listing: what is below them can't be known. */
class Reading {
  readonly #request: ReadingRequest
  readonly #findings: Finding[] = []
  #files = 0
  #bytesRead = 0
  #expectedBytes = 0
  #listed = true

  constructor(request: ReadingRequest) {
    this.#request = request
  }

  async *entries(): AsyncGenerator<SnapshotEntry> {
    try {
      for await (const entry of this.#request.snapshot.entries()) {
        throwIfAborted(this.#request.signal)
        if (entry.node.type !== 'file') continue
        this.#files += 1
        this.#expectedBytes += entry.node.sizeBytes ?? 0
        yield entry
      }
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      this.#listed = false
      this.#damage('the list of its files', error.message, error.hint)
    }
  }

  /** All in one stream; where that meets damage, each by itself, to know which it is in. */
  async readBatch(batch: readonly SnapshotEntry[]): Promise<void> {
    const done = await this.#tryRead(batch)
    if (done) return
    for (const entry of batch) await this.#tryRead([entry])
  }

  outcome(): VerifyOutcome {
    const { manifest } = this.#request.snapshot
    const unreadable = this.#findings.length
    const checks: CheckOutcome[] = [
      compared('bytes that are what was stored', `${this.#expectedBytes} bytes`, this.#foundBytes(unreadable)),
    ]
    if (manifest !== undefined && this.#listed) {
      checks.push(compared('files in the manifest', String(manifest.totals.files), String(this.#files)))
    }
    return { checks, findings: this.#findings, bytesRead: this.#bytesRead }
  }

  #foundBytes(unreadable: number): string {
    const bytes = `${this.#bytesRead} bytes`
    return unreadable === 0 ? bytes : `${bytes}, and ${unreadable} of ${this.#files} files that cannot be read`
  }

  /** False for a batch of several that holds damage; nothing of it is counted then. */
  async #tryRead(batch: readonly SnapshotEntry[]): Promise<boolean> {
    const { repository, signal, onProgress } = this.#request
    const [first] = batch
    let bytes = 0
    try {
      const content = batch.flatMap(({ node }) => node.content ?? [])
      for await (const checked of repository.checkContent(content, signal)) bytes += checked
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      if (batch.length > 1) return false
      this.#damage(first?.path ?? '', error.message, error.hint)
      return true
    }
    const expected = batch.reduce((sum, { node }) => sum + (node.sizeBytes ?? 0), 0)
    if (bytes !== expected) {
      if (batch.length > 1) return false
      this.#damage(first?.path ?? '', `it has ${bytes} bytes in place of ${expected}`, undefined)
    }
    this.#bytesRead += bytes
    onProgress?.(this.#bytesRead)
    return true
  }

  #damage(subject: string, message: string, hint: string | undefined): void {
    const about = { severity: 'error', code: 'file-damaged', subject, message } as const
    this.#findings.push(hint === undefined ? about : { ...about, hint })
  }
}

function compared(name: string, expected: string, found: string): CheckOutcome {
  return { name, passed: expected === found, expected, found }
}

async function* batches(entries: AsyncIterable<SnapshotEntry>): AsyncGenerator<SnapshotEntry[]> {
  let batch: SnapshotEntry[] = []
  let bytes = 0
  for await (const entry of entries) {
    const size = entry.node.sizeBytes ?? 0
    // A big file is a batch of its own: another try would read all of it again.
    if (batch.length > 0 && (bytes + size > BATCH_BYTES || batch.length === BATCH_FILES)) {
      yield batch
      ;[batch, bytes] = [[], 0]
    }
    batch.push(entry)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
