/** The first 100 bytes of a database file. @see https://www.sqlite.org/fileformat2.html#the_database_header */
export interface DatabaseHeader {
  readonly pageSizeBytes: number
  /** The file says that it is in WAL mode. */
  readonly wal: boolean
  readonly changeCounter: number
  /** `SQLITE_VERSION_NUMBER` of the library that wrote last, 3045001 for 3.45.1; 0 when never recorded. */
  readonly sqliteVersion: number
}

export const HEADER_BYTES = 100

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1')

/** Undefined when these bytes do not begin a SQLite database. */
export function parseHeader(bytes: Buffer): DatabaseHeader | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const size = bytes.readUInt16BE(16)
  const pageSizeBytes = size === 1 ? 65_536 : size
  if (pageSizeBytes < 512 || (pageSizeBytes & (pageSizeBytes - 1)) !== 0) return undefined
  return {
    pageSizeBytes,
    wal: bytes.readUInt8(19) === 2,
    changeCounter: bytes.readUInt32BE(24),
    sqliteVersion: bytes.readUInt32BE(96),
  }
}

/** `3.45.1` for 3045001. */
export function formatVersion(version: number): string {
  return `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`
}

/**
 * Does this SQLite have the WAL-reset bug? From 3.7.0 two connections that checkpoint and write at the same instant can
 * lose pages and so corrupt the database; fixed in 3.51.3, and in 3.50.7 and 3.44.6 of older branches. 3.52.0 was
 * withdrawn, but had the fix.
 *
 * @see https://www.sqlite.org/wal.html#walresetbug
 */
export function hasWalResetBug(version: number): boolean {
  if (version < 3_007_000 || version >= 3_051_003) return false
  const branch = Math.floor(version / 1000)
  const patch = version % 1000
  return !(branch === 3_050 && patch >= 7) && !(branch === 3_044 && patch >= 6)
}
