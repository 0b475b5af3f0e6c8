import type { FileHandle } from 'node:fs/promises'
import { AppError } from '../../base/errors.ts'
import { pageNumberRanges } from './wal-index.ts'

export const WAL_HEADER_BYTES = 32
export const FRAME_HEADER_BYTES = 24

/** Neighbouring frames are fetched together up to this, or it is one frame. */
const RUN_BYTES = 1 << 20
const RUNS_AT_ONCE = 8

/**
 * Where frames are read to, used again and again: so much memory, however many slices are read at once. Buffers made for
 * each run would live until the garbage collector thinks of them.
 */
export class FrameBuffers {
  readonly #free: Buffer[] = []
  readonly #waiting: Array<(buffer: Buffer) => void> = []
  #made = 0

  async use<T>(work: (buffer: Buffer) => Promise<T>): Promise<T> {
    const buffer = await this.#take()
    try {
      return await work(buffer)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(buffer)
      else this.#free.push(buffer)
    }
  }

  async #take(): Promise<Buffer> {
    const free = this.#free.pop()
    if (free) return free
    if (this.#made === RUNS_AT_ONCE) return await new Promise(resolve => this.#waiting.push(resolve))
    this.#made += 1
    return Buffer.allocUnsafeSlow(RUN_BYTES)
  }
}

/** Which pages are newer in the WAL than in the file: `pages` ascending, `frames[i]` the latest frame of `pages[i]`. */
export interface PageTable {
  readonly pages: Uint32Array
  readonly frames: Uint32Array
}

export const EMPTY_TABLE: PageTable = { pages: new Uint32Array(0), frames: new Uint32Array(0) }

/**
 * Reads the page number of each frame `from`..`to` from the `-shm` file and keeps the latest frame of each page. 8 bytes
 * a frame while it works, so 2 MB for a WAL of 1 GiB of 4 KiB pages.
 */
export async function readPageTable(shm: FileHandle, from: number, to: number, lastPage: number): Promise<PageTable> {
  if (from > to) return EMPTY_TABLE
  // Sorted as 64-bit numbers: page above, frame below (the machine is little-endian or this is swapped).
  const keys = new BigUint64Array(to - from + 1)
  const halves = new Uint32Array(keys.buffer)
  const [low, high] = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0]
  let at = 0
  for (const range of pageNumberRanges(from, to)) {
    const numbers = new Uint32Array(range.count)
    const { bytesRead } = await shm.read(new Uint8Array(numbers.buffer), 0, range.count * 4, range.position)
    if (bytesRead !== range.count * 4) throw damagedWal('its index ends early')
    for (const page of numbers) {
      halves[2 * at + low] = from + at
      halves[2 * at + high] = page
      at += 1
    }
  }
  keys.sort()
  return latestOfEach(halves, low, high, lastPage)
}

function latestOfEach(halves: Uint32Array, low: number, high: number, lastPage: number): PageTable {
  const count = halves.length / 2
  const pages = new Uint32Array(count)
  const frames = new Uint32Array(count)
  let kept = 0
  for (let i = 0; i < count; i++) {
    const page = halves[2 * i + high] ?? 0
    if (page === 0) throw damagedWal('its index names page 0')
    // Pages beyond the end were cut off by a later transaction.
    if (page > lastPage || (i + 1 < count && halves[2 * i + 2 + high] === page)) continue
    pages[kept] = page
    frames[kept] = halves[2 * i + low] ?? 0
    kept += 1
  }
  return { pages: pages.slice(0, kept), frames: frames.slice(0, kept) }
}

export interface Wal {
  readonly handle: FileHandle
  readonly pageSizeBytes: number
  readonly salt: string
  readonly table: PageTable
  readonly buffers: FrameBuffers
}

/** What is needed to read frames of it. */
export type WalFile = Omit<Wal, 'table' | 'buffers'>

/** Is no page in `[position, position + lengthBytes)` newer in the WAL? */
export function isBare({ table: { pages }, pageSizeBytes }: Wal, position: number, lengthBytes: number): boolean {
  const next = pages[lowerBound(pages, Math.floor(position / pageSizeBytes) + 1)]
  return next === undefined || next > Math.ceil((position + lengthBytes) / pageSizeBytes)
}

/** Puts the WAL's pages over `bytes`, which hold the file from byte `position` on. */
export async function overlayPages(wal: Wal, bytes: Uint8Array, position: number): Promise<void> {
  const { pages, frames } = wal.table
  const firstPage = Math.floor(position / wal.pageSizeBytes) + 1
  const lastPage = Math.ceil((position + bytes.length) / wal.pageSizeBytes)
  const chosen: number[] = []
  for (let i = lowerBound(pages, firstPage); i < pages.length && (pages[i] ?? 0) <= lastPage; i++) chosen.push(i)
  chosen.sort((a, b) => (frames[a] ?? 0) - (frames[b] ?? 0))
  const runs = groupRuns(chosen, frames, Math.max(1, Math.floor(RUN_BYTES / frameBytes(wal))))
  await Promise.all(runs.map(run => wal.buffers.use(buffer => copyRun(wal, run, bytes, position, buffer))))
}

/** Reads frames, each a header and a page, into the beginning of `buffer`, and checks that they are the ones we mean. */
export async function readFrames(wal: WalFile, first: number, count: number, buffer: Buffer): Promise<void> {
  const size = frameBytes(wal)
  const { bytesRead } = await wal.handle.read(buffer, 0, count * size, WAL_HEADER_BYTES + (first - 1) * size)
  if (bytesRead !== count * size) throw damagedWal(`frame ${first} is missing`)
  for (let i = 0; i < count; i++) {
    if (buffer.toString('hex', i * size + 8, i * size + 16) !== wal.salt) {
      throw damagedWal(`frame ${first + i} is of another generation`)
    }
  }
}

async function copyRun(
  wal: Wal,
  run: readonly number[],
  bytes: Uint8Array,
  position: number,
  buffer: Buffer,
): Promise<void> {
  const size = frameBytes(wal)
  await readFrames(wal, wal.table.frames[run[0] ?? 0] ?? 0, run.length, buffer)
  for (const [i, index] of run.entries()) {
    const page = wal.table.pages[index] ?? 0
    if (buffer.readUInt32BE(i * size) !== page) throw damagedWal(`a frame is not of page ${page}`)
    const pageStart = (page - 1) * wal.pageSizeBytes
    const from = Math.max(pageStart, position)
    const to = Math.min(pageStart + wal.pageSizeBytes, position + bytes.length)
    const data = i * size + FRAME_HEADER_BYTES - pageStart
    bytes.set(buffer.subarray(data + from, data + to), from - position)
  }
}

/** Splits indexes, ordered by frame, into runs of frames that follow each other in the WAL. */
function groupRuns(ordered: readonly number[], frames: Uint32Array, longest: number): number[][] {
  const runs: number[][] = []
  let previous = -1
  for (const index of ordered) {
    const frame = frames[index] ?? 0
    const run = runs.at(-1)
    if (run && frame === previous + 1 && run.length < longest) run.push(index)
    else runs.push([index])
    previous = frame
  }
  return runs
}

function frameBytes(wal: { readonly pageSizeBytes: number }): number {
  return wal.pageSizeBytes + FRAME_HEADER_BYTES
}

function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}

function damagedWal(what: string): AppError {
  return new AppError('source-invalid', `the write-ahead log changed under its reader: ${what}`, {
    hint: 'Run the backup again. If it stays so, something writes to the files of the database without SQLite.',
  })
}
