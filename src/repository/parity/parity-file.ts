import { hash } from 'node:crypto'
import { encode, MAX_SHARDS, recover } from './reed-solomon.ts'

/**
 * What heals one file of a repository: `docs/design/format.md` says what each byte means. The file is cut into `dataShards`
 * shards of whole sectors; sectors of the same number in all shards make a code word with those of the parity shards. Each
 * sector has a checksum of its own, so that it is known which are bad, and each code word may lose as many as there are
 * parity shards.
 */
export interface ParityShape {
  readonly fileBytes: number
  readonly sectorBytes: number
  /** Sectors of one shard. */
  readonly sectors: number
  readonly dataShards: number
  readonly parityShards: number
}

const MAGIC = Buffer.from('LBPARITY')
const VERSION = 1
const CHECKSUM_BYTES = 8
/** magic, version, sector bytes, sectors, data shards, parity shards, file bytes, SHA-256 of the file, of the header */
const HEADER_BYTES = 8 + 4 + 4 + 4 + 2 + 2 + 8 + 32 + 32
const HASHED_BYTES = HEADER_BYTES - 32
const MAX_SECTOR_BYTES = 4096
const MIN_SECTOR_BYTES = 64
const MOST_DATA_SHARDS = 160
/** A file of so little is restored even if all of it is gone. */
const SMALL_BYTES = 32 * 1024
const SMALL_DATA_SHARDS = 16

/** @param part how much parity, as a part of the file. 1 or more: all of the file may be gone */
export function shapeOf(fileBytes: number, part: number): ParityShape {
  const isWholeSafe = part >= 1 || fileBytes <= SMALL_BYTES
  const most = isWholeSafe ? SMALL_DATA_SHARDS : MOST_DATA_SHARDS
  const dataShards = Math.max(1, Math.min(most, Math.ceil(fileBytes / MIN_SECTOR_BYTES)))
  const shardBytes = Math.max(1, Math.ceil(fileBytes / dataShards))
  const sectors = Math.ceil(shardBytes / MAX_SECTOR_BYTES)
  // Sectors of one size that fill the shard but for a little.
  const sectorBytes = Math.ceil(shardBytes / sectors / MIN_SECTOR_BYTES) * MIN_SECTOR_BYTES
  const wanted = isWholeSafe ? dataShards : Math.ceil(dataShards * part)
  const parityShards = Math.min(Math.max(2, wanted), MAX_SHARDS - dataShards)
  return { fileBytes, sectorBytes, sectors, dataShards, parityShards }
}

/** The parity file of a file, in parts. */
export function makeParity(file: Uint8Array, part: number): Uint8Array[] {
  const shape = shapeOf(file.length, part)
  const shardBytes = shape.sectors * shape.sectorBytes
  const parity = encode(file, shape.dataShards, shape.parityShards, shardBytes)
  const table = Buffer.concat([
    checksumsOf(file, shape, shape.dataShards),
    checksumsOf(parity, shape, shape.parityShards),
  ])
  const header = formatHeader(shape, hash('sha256', file, 'buffer'))
  return [header, table, parity, table, header]
}

/** A parity file that can be made out, whatever is wrong with parts of it. */
export interface ParityFile extends ParityShape {
  /** Of the file that it heals: 64 hex digits. */
  readonly sha256: string
  /** Number of sectors in it that are damaged, of parity, checksums or header. */
  readonly damaged: number
  /** The file as it was; undefined: too much is gone. `stored`: what is there of it, none if it is missing. */
  heal(stored: Uint8Array): Buffer | undefined
}

/** Undefined: neither of its headers can be read. */
export function readParity(bytes: Uint8Array): ParityFile | undefined {
  const head = parseHeader(bytes.subarray(0, HEADER_BYTES))
  const tail = parseHeader(bytes.subarray(Math.max(0, bytes.length - HEADER_BYTES)))
  const header = head ?? tail
  if (header === undefined) return undefined
  // One whose beginning is gone is known by its end.
  const start = head ? 0 : bytes.length - totalBytes(header.shape)
  return new OpenedParity(header, bytes, start, head !== undefined && tail !== undefined)
}

interface Header {
  readonly shape: ParityShape
  readonly sha256: string
}

const tableBytes = ({ dataShards, parityShards, sectors }: ParityShape): number =>
  (dataShards + parityShards) * sectors * CHECKSUM_BYTES

const totalBytes = (shape: ParityShape): number =>
  2 * (HEADER_BYTES + tableBytes(shape)) + shape.parityShards * shape.sectors * shape.sectorBytes

class OpenedParity implements ParityFile {
  readonly fileBytes: number
  readonly sectorBytes: number
  readonly sectors: number
  readonly dataShards: number
  readonly parityShards: number
  readonly sha256: string
  readonly damaged: number
  readonly #bytes: Uint8Array
  /** Where the file begins, in front of the bytes if its beginning is gone. */
  readonly #start: number

  constructor({ shape, sha256 }: Header, bytes: Uint8Array, start: number, hasBothHeaders: boolean) {
    this.fileBytes = shape.fileBytes
    this.sectorBytes = shape.sectorBytes
    this.sectors = shape.sectors
    this.dataShards = shape.dataShards
    this.parityShards = shape.parityShards
    this.sha256 = sha256
    this.#bytes = bytes
    this.#start = start
    this.damaged = (hasBothHeaders ? 0 : 1) + (this.#hasEqualTables() ? 0 : 1) + this.#damagedSectors()
  }

  heal(stored: Uint8Array): Buffer | undefined {
    const healed = Buffer.alloc(this.dataShards * this.sectors * this.sectorBytes)
    healed.set(stored.subarray(0, this.fileBytes))
    for (let sector = 0; sector < this.sectors; sector++) if (!this.#healSector(healed, sector)) return undefined
    const file = healed.subarray(0, this.fileBytes)
    return hash('sha256', file, 'hex') === this.sha256 ? file : undefined
  }

  /** One code word. */
  #healSector(healed: Buffer, sector: number): boolean {
    const shards: Array<Uint8Array | undefined> = []
    let bad = 0
    for (let shard = 0; shard < this.dataShards; shard++) {
      const at = (shard * this.sectors + sector) * this.sectorBytes
      const bytes = healed.subarray(at, at + this.sectorBytes)
      const isGood = this.#fits(bytes, shard, sector)
      if (!isGood) bad++
      shards.push(isGood ? bytes : undefined)
    }
    if (bad === 0) return true
    for (let row = 0; row < this.parityShards; row++) shards.push(this.#paritySector(row, sector))
    const found = recover(shards, this.dataShards)
    for (const [shard, bytes] of found ?? []) healed.set(bytes, (shard * this.sectors + sector) * this.sectorBytes)
    return found !== undefined
  }

  /** Undefined: damaged. */
  #paritySector(row: number, sector: number): Uint8Array | undefined {
    const shape = tableBytes(this)
    const at = HEADER_BYTES + shape + (row * this.sectors + sector) * this.sectorBytes
    const bytes = this.#slice(at, this.sectorBytes)
    return bytes && this.#fits(bytes, this.dataShards + row, sector) ? bytes : undefined
  }

  /** By either of the tables: one may be damaged. */
  #fits(bytes: Uint8Array, shard: number, sector: number): boolean {
    const sum = checksum(bytes)
    return this.#tables().some(start => {
      const known = this.#slice(start + (shard * this.sectors + sector) * CHECKSUM_BYTES, CHECKSUM_BYTES)
      return known !== undefined && sum.equals(known)
    })
  }

  #tables(): number[] {
    return [HEADER_BYTES, totalBytes(this) - HEADER_BYTES - tableBytes(this)]
  }

  #slice(at: number, length: number): Uint8Array | undefined {
    const from = this.#start + at
    return from >= 0 && from + length <= this.#bytes.length ? this.#bytes.subarray(from, from + length) : undefined
  }

  #hasEqualTables(): boolean {
    const [one, other] = this.#tables().map(at => this.#slice(at, tableBytes(this)))
    return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0
  }

  #damagedSectors(): number {
    let damaged = 0
    for (let row = 0; row < this.parityShards; row++) {
      for (let sector = 0; sector < this.sectors; sector++) if (!this.#paritySector(row, sector)) damaged++
    }
    return damaged
  }
}

function checksumsOf(bytes: Uint8Array, { sectors, sectorBytes }: ParityShape, shards: number): Buffer {
  const sums = Buffer.alloc(shards * sectors * CHECKSUM_BYTES)
  for (let sector = 0; sector < shards * sectors; sector++) {
    const start = sector * sectorBytes
    let bytesOf = bytes.subarray(start, start + sectorBytes)
    if (bytesOf.length < sectorBytes) {
      const padded = new Uint8Array(sectorBytes)
      padded.set(bytesOf)
      bytesOf = padded
    }
    checksum(bytesOf).copy(sums, sector * CHECKSUM_BYTES)
  }
  return sums
}

function checksum(sector: Uint8Array): Buffer {
  return hash('sha256', sector, 'buffer').subarray(0, CHECKSUM_BYTES)
}

function formatHeader(shape: ParityShape, sha256: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  let at = MAGIC.copy(header)
  at = header.writeUInt32LE(VERSION, at)
  at = header.writeUInt32LE(shape.sectorBytes, at)
  at = header.writeUInt32LE(shape.sectors, at)
  at = header.writeUInt16LE(shape.dataShards, at)
  at = header.writeUInt16LE(shape.parityShards, at)
  at = header.writeBigUInt64LE(BigInt(shape.fileBytes), at)
  at += sha256.copy(header, at)
  hash('sha256', header.subarray(0, HASHED_BYTES), 'buffer').copy(header, at)
  return header
}

const MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024

/** Undefined: it is damaged, or none of this version. */
function parseHeader(bytes: Uint8Array): Header | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  if (!hash('sha256', header.subarray(0, HASHED_BYTES), 'buffer').equals(header.subarray(HASHED_BYTES)))
    return undefined
  if (header.readUInt32LE(8) !== VERSION) return undefined
  const shape = {
    sectorBytes: header.readUInt32LE(12),
    sectors: header.readUInt32LE(16),
    dataShards: header.readUInt16LE(20),
    parityShards: header.readUInt16LE(22),
    fileBytes: Number(header.readBigUInt64LE(24)),
  }
  return isPossible(shape) ? { shape, sha256: header.toString('hex', 32, 64) } : undefined
}

/** A forged header must not ask for memory without end. */
function isPossible({ sectorBytes, sectors, dataShards, parityShards, fileBytes }: ParityShape): boolean {
  const dataBytes = dataShards * sectors * sectorBytes
  return (
    sectorBytes > 0 &&
    sectorBytes <= MAX_SECTOR_BYTES &&
    dataShards > 0 &&
    dataShards + parityShards <= MAX_SHARDS &&
    fileBytes <= dataBytes &&
    dataBytes <= MAX_FILE_BYTES &&
    dataBytes - fileBytes <= (sectors + dataShards) * sectorBytes * 2
  )
}
