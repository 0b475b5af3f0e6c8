import type { Lsn } from './wal.ts'

/** A record of the log that a recovery can be told to stop at. */
export type LogMark =
  | { readonly kind: 'restore-point'; readonly lsn: Lsn; readonly at: Date; readonly name: string }
  /** A transaction that committed or was rolled back. `xid` has 32 bits, as the log has it. */
  | { readonly kind: 'transaction'; readonly lsn: Lsn; readonly at: Date; readonly xid: number }

// https://doxygen.postgresql.org/xlog__internal_8h_source.html and xlogrecord.h, xact.h, pg_control.h: the same in 13 to 18.
const SHORT_PAGE_HEADER = 24
const LONG_PAGE_HEADER = 40
const PAGE_IS_CONTINUATION = 0x0001
const PAGE_HAS_LONG_HEADER = 0x0002
const RECORD_HEADER = 24
const RECORD_ALIGNMENT = 8
const MANAGER_LOG = 0
const MANAGER_TRANSACTIONS = 1
const INFO_RESTORE_POINT = 0x70
const COMMIT = 0x00
const ABORT = 0x20
const COMMIT_PREPARED = 0x30
const ABORT_PREPARED = 0x40
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n
/** The page magic of PostgreSQL 17: from 18 on the items of dropped statistics are longer. */
const MAGIC_17 = 0xd116

/** A record whose bytes lie on several pages. Those of no interest are counted, not kept. */
interface Pending {
  readonly lsn: Lsn
  readonly magic: number
  readonly total: number
  parts: Buffer[]
  kept: number
  seen: number
}

/**
 * Finds the marks in a log, whose segments are pushed one after the other. It begins at the first record that begins in
 * the first segment, and skips what does not go on from segment to segment. The pages are in this machine's byte order.
 */
export class LogMarkReader {
  #pending: Pending | undefined
  #marks: LogMark[] = []

  /** The marks of the records that end in this segment. `start`: the position of its first byte. */
  push(segment: Buffer, start: Lsn): readonly LogMark[] {
    this.#marks = []
    const pageBytes = segment.length < LONG_PAGE_HEADER ? 0 : segment.readUInt32LE(36)
    if (pageBytes < 1024 || segment.length % pageBytes !== 0) return []
    for (let offset = 0; offset < segment.length; offset += pageBytes) {
      if (!this.#readPage(segment.subarray(offset, offset + pageBytes), start + BigInt(offset))) break
    }
    return this.#marks
  }

  /** False at the end of the log: a page that was never written, or is of an older use of the file. */
  #readPage(page: Buffer, start: Lsn): boolean {
    if (page.readBigUInt64LE(8) !== start) return false
    const info = page.readUInt16LE(2)
    let at = (info & PAGE_HAS_LONG_HEADER) === 0 ? SHORT_PAGE_HEADER : LONG_PAGE_HEADER
    if ((info & PAGE_IS_CONTINUATION) === 0) {
      // The record before was never finished, and the server went on without it.
      this.#pending = undefined
    } else {
      const rest = page.readUInt32LE(16)
      const here = Math.min(rest, page.length - at)
      const pending = this.#pending
      if (pending !== undefined && pending.total - pending.seen === rest) this.#take(pending, page, at, here)
      else this.#pending = undefined
      if (here < rest) return true
      at = aligned(at + here)
    }
    return this.#readRecords(page, at, start)
  }

  #readRecords(page: Buffer, from: number, start: Lsn): boolean {
    let at = from
    while (at < page.length) {
      const total = page.readUInt32LE(at)
      // After a switch to the next segment, or where nothing was written yet, there are zeros.
      if (total < RECORD_HEADER) return false
      const here = Math.min(total, page.length - at)
      // Nearly all records: they cost no memory.
      if (here < total || isInteresting(page, at)) {
        const magic = page.readUInt16LE(0)
        this.#pending = { lsn: start + BigInt(at), magic, total, parts: [], kept: 0, seen: 0 }
        this.#take(this.#pending, page, at, here)
      }
      at = aligned(at + here)
    }
    return true
  }

  #take(pending: Pending, page: Buffer, at: number, count: number): void {
    const isWanted = pending.kept < RECORD_HEADER || isInteresting(headOf(pending), 0)
    // The caller uses the segment's memory again, and a record may end in a later one.
    if (isWanted) {
      pending.parts.push(Buffer.from(page.subarray(at, at + count)))
      pending.kept += count
    }
    pending.seen += count
    if (pending.seen < pending.total) return
    this.#pending = undefined
    const head = headOf(pending)
    if (!isInteresting(head, 0) || pending.kept < pending.total) return
    const mark = markOf(Buffer.concat(pending.parts), pending)
    if (mark !== undefined) this.#marks.push(mark)
  }
}

const aligned = (offset: number): number => Math.ceil(offset / RECORD_ALIGNMENT) * RECORD_ALIGNMENT

/** The header may be cut by the end of a page. */
function headOf(pending: Pending): Buffer {
  const [first] = pending.parts
  if (first !== undefined && first.length >= RECORD_HEADER) return first
  pending.parts = [Buffer.concat(pending.parts)]
  return pending.parts[0] ?? Buffer.alloc(0)
}

function isInteresting(bytes: Buffer, at: number): boolean {
  const info = bytes[at + 16] ?? 0
  const manager = bytes[at + 17]
  if (manager === MANAGER_LOG) return (info & 0xf0) === INFO_RESTORE_POINT
  if (manager !== MANAGER_TRANSACTIONS) return false
  return [COMMIT, ABORT, COMMIT_PREPARED, ABORT_PREPARED].includes(info & 0x70)
}

function markOf(record: Buffer, { lsn, magic }: Pending): LogMark | undefined {
  const data = mainDataOf(record)
  if (data === undefined || data.length < 8) return undefined
  const at = new Date(Number((data.readBigInt64LE(0) + POSTGRES_EPOCH_MICROS) / 1000n))
  if (record[17] === MANAGER_LOG) {
    const end = data.indexOf(0, 8)
    return { kind: 'restore-point', lsn, at, name: data.toString('utf8', 8, end < 0 ? data.length : end) }
  }
  const info = record[16] ?? 0
  const isPrepared = (info & 0x70) === COMMIT_PREPARED || (info & 0x70) === ABORT_PREPARED
  const xid = isPrepared ? preparedXid(data, magic) : record.readUInt32LE(4)
  return xid === undefined ? undefined : { kind: 'transaction', lsn, at, xid }
}

/** What the record says beside its blocks, of which these records have none. */
function mainDataOf(record: Buffer): Buffer | undefined {
  for (let at = RECORD_HEADER; at < record.length; ) {
    const id = record[at]
    if (id === 255) return record.subarray(at + 2, at + 2 + (record[at + 1] ?? 0))
    if (id === 254) return record.subarray(at + 5, at + 5 + record.readUInt32LE(at + 1))
    // The origin of a replicated transaction, and the number of the transaction that this one is a part of.
    if (id === 253) at += 3
    else if (id === 252) at += 5
    else return undefined
  }
  return undefined
}

/** The transaction that was prepared comes after lists of what it did. */
function preparedXid(data: Buffer, magic: number): number | undefined {
  let at = 12
  if (data.length < at) return undefined
  const has = data.readUInt32LE(8)
  const skip = (bit: number, itemBytes: number): void => {
    if ((has & bit) !== 0 && at + 4 <= data.length) at += 4 + data.readUInt32LE(at) * itemBytes
  }
  if ((has & 1) !== 0) at += 8
  skip(1 << 1, 4)
  skip(1 << 2, 12)
  skip(1 << 8, magic > MAGIC_17 ? 16 : 12)
  skip(1 << 3, 16)
  return at + 4 <= data.length ? data.readUInt32LE(at) : undefined
}
