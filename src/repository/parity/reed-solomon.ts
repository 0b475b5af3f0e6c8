import { addScaled, inverse, invert, multiply } from './galois.ts'

/** Data and parity shards together: each needs an element of the field of its own. */
export const MAX_SHARDS = 255

/** So many bytes of a shard at a time stay in the processor's cache with the sums. */
const STRIP_BYTES = 4096
/** Products with four parity rows fit one word. */
const ROWS_A_WORD = 4

/**
 * What a data shard counts for in a parity shard: Cauchy's matrix 1 / (x + y) with x = k + row and y = column, the same as
 * ISA-L's `gf_gen_cauchy1_matrix`. Every square part of it has an inverse, so any k shards give back all.
 *
 * @see https://github.com/intel/isa-l/blob/master/erasure_code/ec_base.c
 */
export function coefficient(dataShards: number, row: number, column: number): number {
  return inverse((dataShards + row) ^ column)
}

/**
 * Parity shards of `data`, which is cut into `dataShards` shards of `shardBytes`; what is missing at its end counts as
 * zeros. One behind the other.
 */
export function encode(data: Uint8Array, dataShards: number, parityShards: number, shardBytes: number): Uint8Array {
  const parity = new Uint8Array(parityShards * shardBytes)
  const sums = new Uint32Array(STRIP_BYTES)
  for (let first = 0; first < parityShards; first += ROWS_A_WORD) {
    const rows = Math.min(ROWS_A_WORD, parityShards - first)
    const tables = Array.from({ length: dataShards }, (_, shard) => packedProducts(dataShards, first, rows, shard))
    for (let at = 0; at < shardBytes; at += STRIP_BYTES) {
      const length = Math.min(STRIP_BYTES, shardBytes - at)
      sums.fill(0)
      for (let shard = 0; shard < dataShards; shard++) {
        const start = shard * shardBytes + at
        addProducts(sums, data, start, Math.min(length, data.length - start), tables[shard] as Uint32Array)
      }
      for (let row = 0; row < rows; row++) {
        const out = (first + row) * shardBytes + at
        for (let i = 0; i < length; i++) parity[out + i] = (sums[i] as number) >>> (row * 8)
      }
    }
  }
  return parity
}

// The one loop that matters: an access and a XOR for each byte and four rows.
function addProducts(sums: Uint32Array, data: Uint8Array, start: number, length: number, table: Uint32Array): void {
  for (let i = 0; i < length; i++) {
    sums[i] = (sums[i] as number) ^ (table[data[start + i] as number] as number)
  }
}

/** Of a data shard's bytes with its coefficients in up to four rows, each row in a byte of its own. */
function packedProducts(dataShards: number, first: number, rows: number, shard: number): Uint32Array {
  const table = new Uint32Array(256)
  for (let row = 0; row < rows; row++) {
    const factor = coefficient(dataShards, first + row, shard)
    for (let value = 0; value < 256; value++) {
      table[value] = ((table[value] as number) | (multiply(factor, value) << (row * 8))) >>> 0
    }
  }
  return table
}

/**
 * Gives back data shards that are missing, from the others and from parity shards; undefined: too few are there.
 *
 * @param shards by number, data then parity; undefined: missing. All of one length
 */
export function recover(
  shards: ReadonlyArray<Uint8Array | undefined>,
  dataShards: number,
): Map<number, Uint8Array> | undefined {
  const missing: number[] = []
  for (let shard = 0; shard < dataShards; shard++) if (shards[shard] === undefined) missing.push(shard)
  const rows: number[] = []
  for (let row = 0; dataShards + row < shards.length && rows.length < missing.length; row++) {
    if (shards[dataShards + row] !== undefined) rows.push(row)
  }
  if (rows.length < missing.length) return undefined
  // What the missing ones add up to in each parity shard: the parity without those that are there.
  const sums = rows.map(row => {
    const sum = Uint8Array.from(shards[dataShards + row] ?? [])
    for (let shard = 0; shard < dataShards; shard++) addScaled(sum, shards[shard], coefficient(dataShards, row, shard))
    return sum
  })
  const inverted = invert(rows.map(row => Uint8Array.from(missing, shard => coefficient(dataShards, row, shard))))
  return new Map(
    missing.map((shard, at) => {
      const found = new Uint8Array(sums[0]?.length ?? 0)
      for (const [i, sum] of sums.entries()) addScaled(found, sum, inverted[at]?.[i] ?? 0)
      return [shard, found]
    }),
  )
}
