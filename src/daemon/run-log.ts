import { appendFile, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { makeFolders } from '../base/make-folders.ts'

const KEPT_DAYS = 30
const KEPT_BYTES = 512 * 1024 * 1024
const DAY_MS = 86_400_000

/** Lines of JSON: one file a day with all of them, and one a run. */
export class RunLogs {
  readonly #folder: string
  readonly #clock: Pick<Clock, 'now'>
  /** One line after the other: a file is appended to by one call at a time. */
  #tail: Promise<unknown> = Promise.resolve()

  /** @param folder absolute and private; may not exist yet */
  constructor(folder: string, clock: Pick<Clock, 'now'>) {
    this.#folder = folder
    this.#clock = clock
  }

  /** The file of a run. */
  fileOf(run: string): string {
    return join(this.#folder, 'runs', `${run}.jsonl`)
  }

  /** Never fails: a disk that is full must not stop what is being logged. */
  write(entry: Readonly<Record<string, unknown>>, run: string | undefined): void {
    const now = this.#clock.now().toISOString()
    const line = `${JSON.stringify({ time: now, ...entry, run })}\n`
    const files = [join(this.#folder, `${now.slice(0, 10)}.jsonl`), ...(run === undefined ? [] : [this.fileOf(run)])]
    this.#tail = this.#tail
      .then(() => makeFolders(join(this.#folder, 'runs'), 0o700))
      .then(() => Promise.all(files.map(file => appendFile(file, line, { mode: 0o600 }))))
      .catch(() => undefined)
  }

  /** When what was written is in its files. */
  async flush(): Promise<void> {
    await this.#tail
  }

  /** Removes what is older than 30 days, then the oldest until the rest is below 512 MiB. */
  async rotate(): Promise<void> {
    const files = (await Promise.all(['.', 'runs'].map(name => this.#filesIn(name)))).flat()
    files.sort((one, other) => one.at - other.at)
    let total = files.reduce((sum, file) => sum + file.bytes, 0)
    const oldest = this.#clock.now().getTime() - KEPT_DAYS * DAY_MS
    for (const { path, at, bytes } of files) {
      if (at >= oldest && total <= KEPT_BYTES) return
      await unlink(path).catch(() => undefined)
      total -= bytes
    }
  }

  async #filesIn(name: string): Promise<{ path: string; at: number; bytes: number }[]> {
    const folder = join(this.#folder, name)
    const names = (await readdir(folder).catch(() => [])).filter(file => file.endsWith('.jsonl'))
    const found = await Promise.all(
      names.map(async file => {
        const path = join(folder, file)
        const status = await stat(path).catch(() => undefined)
        return status && { path, at: status.mtimeMs, bytes: status.size }
      }),
    )
    return found.filter(file => file !== undefined)
  }
}
