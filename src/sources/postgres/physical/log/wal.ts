/** PostgreSQL's write-ahead log as names and numbers: positions (LSN), timelines, segment files. */

/** A byte position in the log. */
export type Lsn = bigint

export interface WalSegment {
  readonly timeline: number
  /** Position divided by the segment size. */
  readonly number: bigint
}

/** What a name in `pg_wal` or in an archive is. */
export type WalFile =
  | { readonly kind: 'segment' | 'partial'; readonly name: string; readonly timeline: number }
  | { readonly kind: 'backup'; readonly name: string; readonly timeline: number }
  | { readonly kind: 'history'; readonly name: string; readonly timeline: number }

export const DEFAULT_WAL_SEGMENT_BYTES = 16 * 1024 * 1024

const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i
const WAL_FILE = /^(?:[0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?|[0-9A-F]{8}\.history)$/

/** `16/B374D848` -> position. Undefined when it is not one. */
export function parseLsn(text: string): Lsn | undefined {
  const match = LSN.exec(text.trim())
  return match ? (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`) : undefined
}

/** As PostgreSQL writes it: `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()
}

/** Undefined when the name is none that PostgreSQL archives; upper-case hex as PostgreSQL writes it. */
export function parseWalFileName(name: string): WalFile | undefined {
  const match = WAL_FILE.exec(name)
  if (!match) return undefined
  const timeline = Number.parseInt(name.slice(0, 8), 16)
  if (timeline === 0) return undefined
  if (name.endsWith('.history')) return { kind: 'history', name, timeline }
  const suffix = match[1]
  const kind = suffix === undefined ? 'segment' : suffix === '.partial' ? 'partial' : 'backup'
  return { kind, name, timeline }
}

/** A segment's number from the first 24 digits of its name. */
export function segmentOf(name: string, segmentBytes: number): WalSegment {
  const perLog = 0x100000000n / BigInt(segmentBytes)
  return {
    timeline: Number.parseInt(name.slice(0, 8), 16),
    number: BigInt(`0x${name.slice(8, 16)}`) * perLog + BigInt(`0x${name.slice(16, 24)}`),
  }
}

export function segmentName(segment: WalSegment, segmentBytes: number): string {
  const perLog = 0x100000000n / BigInt(segmentBytes)
  const parts = [BigInt(segment.timeline), segment.number / perLog, segment.number % perLog]
  return parts.map(part => part.toString(16).toUpperCase().padStart(8, '0')).join('')
}

/** Number of the segment that holds the byte at `lsn`. */
export function segmentNumberAt(lsn: Lsn, segmentBytes: number): bigint {
  return lsn / BigInt(segmentBytes)
}

/** Number of the segment that holds the last byte before `lsn`, for positions that are an end. */
export function segmentNumberBefore(lsn: Lsn, segmentBytes: number): bigint {
  return lsn === 0n ? 0n : (lsn - 1n) / BigInt(segmentBytes)
}

/** All names of the segments that hold `[start, end)`. */
export function segmentNamesBetween(timeline: number, start: Lsn, end: Lsn, segmentBytes: number): string[] {
  const names: string[] = []
  const last = segmentNumberBefore(end, segmentBytes)
  for (let number = segmentNumberAt(start, segmentBytes); number <= last; number++) {
    names.push(segmentName({ timeline, number }, segmentBytes))
  }
  return names
}

/** A timeline's parent, and where it left it. */
export interface TimelineSwitch {
  readonly timeline: number
  readonly switchLsn: Lsn
}

/**
 * A `.history` file: the ancestors of its timeline, oldest first. Lines that say nothing are skipped, as PostgreSQL does.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export function parseHistory(text: string): TimelineSwitch[] {
  const switches: TimelineSwitch[] = []
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line)
    const switchLsn = match ? parseLsn(match[2] ?? '') : undefined
    if (switchLsn !== undefined) switches.push({ timeline: Number(match?.[1]), switchLsn })
  }
  return switches
}

/** The start of a segment file: which cluster's it is, and which part of the log. */
export interface SegmentHeader {
  readonly systemIdentifier: string
  readonly startLsn: Lsn
  readonly segmentBytes: number
}

const LONG_HEADER = 0x0002
const LONG_HEADER_BYTES = 40

/**
 * Reads the long header of a segment's first page, in this machine's byte order as PostgreSQL writes it. Undefined when
 * it is none. (Its timeline may be an ancestor's: a new timeline begins with a copy of the old one's last segment.)
 *
 * @see https://doxygen.postgresql.org/xlog__internal_8h_source.html
 */
export function parseSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < LONG_HEADER_BYTES || (bytes.readUInt16LE(2) & LONG_HEADER) === 0) return undefined
  const segmentBytes = bytes.readUInt32LE(32)
  const isPowerOfTwo = segmentBytes > 0 && (segmentBytes & (segmentBytes - 1)) === 0
  if (!isPowerOfTwo || segmentBytes < 1024 * 1024 || segmentBytes > 1024 * 1024 * 1024) return undefined
  return {
    systemIdentifier: bytes.readBigUInt64LE(24).toString(),
    startLsn: bytes.readBigUInt64LE(8),
    segmentBytes,
  }
}

/** The system identifier, decimal, in a `global/pg_control`: its first eight bytes in every version. */
export function systemIdentifierOf(controlFile: Buffer): string | undefined {
  return controlFile.length < 8 ? undefined : controlFile.readBigUInt64LE(0).toString()
}
