const MAGIC = 'PGDMP'
/** One sign byte and `intSize` bytes; seconds, minutes, hours, day, month, year, daylight saving. */
const TIME_FIELDS = 7
/** Enough for the fixed part of the header of every version. */
export const HEADER_BYTES = 64

/**
 * Sets the creation time in the header of a pg_dump archive to 2000-01-01, in place: two dumps of the same data are
 * then the same bytes. An archive of a form we do not know is left as it is.
 *
 * @see PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c, WriteHead
 */
export function clearArchiveTime(header: Uint8Array): void {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return
  const [major = 0, minor = 0] = [bytes[5], bytes[6]]
  if (major !== 1 || minor < 12 || minor > 16) return
  const intBytes = 1 + (bytes[8] ?? 0)
  // 1.15 (PostgreSQL 16) says how it is compressed in one byte, before it was a number.
  let at = 11 + (minor >= 15 ? 1 : intBytes)
  const time = [0, 0, 0, 1, 0, 100, 0]
  if (intBytes !== 5) return
  for (let field = 0; field < TIME_FIELDS; field++, at += intBytes) {
    bytes[at] = 0
    bytes.writeInt32LE(time[field] ?? 0, at + 1)
  }
}
