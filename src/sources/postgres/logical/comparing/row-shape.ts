import { SHOWN_CHARS, type ShownValue } from '../../../../model/row-comparison.ts'
import type { FoundValue } from '../../../listed-rows.ts'
import { digestOf } from '../../../row-digest.ts'
import type { DigestedRow } from '../../../row-matcher.ts'
import { type CopyField, type CopyRow, fieldsOf, isNull } from './copy-lines.ts'

/** Which fields of a row are compared, and in which order: the same for both sides, whatever order their columns have. */
export class RowShape {
  readonly #columns: readonly string[]
  /** Where each of them is among the fields. */
  readonly #order: readonly number[]
  readonly #key: readonly number[]
  /** All fields, in their own order: a line is compared as it is. */
  readonly #isPlain: boolean

  /** `fields`: the columns of one side. `columns`: those to compare. `key`: of these the primary key, or nothing. */
  constructor(fields: readonly string[], columns: readonly string[], key: readonly string[]) {
    this.#columns = columns
    this.#order = columns.map(name => fields.indexOf(name))
    this.#key = key.map(name => fields.indexOf(name))
    this.#isPlain = fields.length === columns.length && this.#order.every((at, index) => at === index)
  }

  digest(row: CopyRow): DigestedRow {
    const isPlain = this.#isPlain && 'line' in row
    const fields = fieldsOf(row, isPlain ? Math.max(0, ...this.#key) + 1 : undefined)
    const whole = isPlain ? digestOf([row.line]) : digestOf(joined(fields, this.#order))
    return { key: this.#key.length === 0 ? undefined : digestOf(joined(fields, this.#key)), row: whole }
  }

  values(row: CopyRow): Map<string, FoundValue> {
    const fields = fieldsOf(row)
    return new Map(this.#columns.map((name, at) => [name, valueOf(fields[this.#order[at] ?? 0] ?? EMPTY)]))
  }
}

const EMPTY = Buffer.alloc(0)
const TAB = Buffer.from('\t')
/** Nothing that COPY writes begins like this. */
const LONG = '\\L'

function joined(fields: readonly CopyField[], order: readonly number[]): Buffer[] {
  return order.flatMap((at, index) => {
    const token = tokenOf(fields[at] ?? EMPTY)
    return index === 0 ? [token] : [TAB, token]
  })
}

function tokenOf(field: CopyField): Buffer {
  return Buffer.isBuffer(field) ? field : Buffer.from(`${LONG}${field.bytes};${field.digest.toString('hex')}`)
}

function valueOf(field: CopyField): FoundValue {
  const [start, bytes] = Buffer.isBuffer(field) ? [field, field.length] : [field.start, field.bytes]
  const text = isNull(field) ? null : unescape(start)
  const isCut = text !== null && (text.length > SHOWN_CHARS || bytes > start.length)
  const shown: ShownValue = isCut ? `${text.slice(0, SHOWN_CHARS)}… (${bytes} bytes)` : text
  return { shown, identity: tokenOf(field).toString('latin1'), note: 'different further on' }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescape(field: Buffer): string {
  return field.toString('utf8').replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char)
}
