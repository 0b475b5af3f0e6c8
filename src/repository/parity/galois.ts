/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11D), in which 2 generates all elements: the field of
 * ISA-L, of Backblaze's and of most other Reed-Solomon codes for storage. Adding is XOR.
 *
 * @see https://web.eecs.utk.edu/~jplank/plank/papers/CS-96-332.html
 */
const POLYNOMIAL = 0x11d

const powers = new Uint8Array(510)
const logarithms = new Uint8Array(256)

for (let exponent = 0, value = 1; exponent < 255; exponent++) {
  powers[exponent] = value
  powers[exponent + 255] = value
  logarithms[value] = exponent
  value <<= 1
  if (value > 255) value ^= POLYNOMIAL
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0
  return powers[(logarithms[a] ?? 0) + (logarithms[b] ?? 0)] ?? 0
}

/** Of anything but 0. */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError('0 has no inverse')
  return powers[255 - (logarithms[a] ?? 0)] ?? 0
}

/**
 * The inverse of a square matrix, by Gauss and Jordan; rows are changed in place. Those that come from a Cauchy matrix always
 * have one.
 */
export function invert(matrix: Uint8Array[]): Uint8Array[] {
  const size = matrix.length
  const result = matrix.map((_, at) => {
    const row = new Uint8Array(size)
    row[at] = 1
    return row
  })
  for (let column = 0; column < size; column++) {
    const pivot = matrix.findIndex((row, at) => at >= column && row[column] !== 0)
    if (pivot < 0) throw new RangeError('the matrix has no inverse')
    swap(matrix, pivot, column)
    swap(result, pivot, column)
    const factor = inverse(matrix[column]?.[column] ?? 0)
    scale(matrix[column], factor)
    scale(result[column], factor)
    for (let row = 0; row < size; row++) {
      const times = row === column ? 0 : (matrix[row]?.[column] ?? 0)
      if (times === 0) continue
      addScaled(matrix[row], matrix[column], times)
      addScaled(result[row], result[column], times)
    }
  }
  return result
}

function swap(rows: Uint8Array[], a: number, b: number): void {
  const [one, other] = [rows[a], rows[b]]
  if (one === undefined || other === undefined) return
  rows[a] = other
  rows[b] = one
}

function scale(row: Uint8Array | undefined, factor: number): void {
  row?.forEach((value, at) => {
    row[at] = multiply(value, factor)
  })
}

/** `target += source * factor`. */
export function addScaled(target: Uint8Array | undefined, source: Uint8Array | undefined, factor: number): void {
  if (target === undefined || source === undefined || factor === 0) return
  const products = productsOf(factor)
  for (let at = 0; at < source.length; at++) target[at] = (target[at] ?? 0) ^ (products[source[at] ?? 0] ?? 0)
}

const tables = new Map<number, Uint8Array>()

/** Of a factor with each of the 256 elements. */
function productsOf(factor: number): Uint8Array {
  const known = tables.get(factor)
  if (known) return known
  const made = Uint8Array.from({ length: 256 }, (_, value) => multiply(factor, value))
  tables.set(factor, made)
  return made
}
