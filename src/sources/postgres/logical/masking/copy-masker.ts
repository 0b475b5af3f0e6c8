import { AppError } from '../../../../base/errors.ts'
import { SAMPLE_VALUES } from '../../../../model/masking/detection.ts'
import type { MaskableTable } from '../../../../model/masking/maskable.ts'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'
import { type CopyEncoding, decodeField, encodeField, parseCopy, splitRow } from './copy-field.ts'
import { type FieldSink, LongRow } from './long-row.ts'
import type { RowFields, SqlRules } from './sql-rules.ts'
import { type ValueMask, valueMask } from './value-mask.ts'

/** What all streams of one restore share. */
export interface MaskJob {
  readonly tables: ReadonlyMap<string, MaskableTable>
  readonly plan: readonly PlannedColumn[]
  readonly seed: string
  readonly encoding: CopyEncoding
  readonly sqlRules: SqlRules | undefined
  /** Values replaced, one count for each column of the plan. */
  readonly counts: number[]
  /** Values of columns without a rule, by `table\0column`. */
  readonly samples: Map<string, string[]>
  /** Set when large objects came by. */
  largeObjects: boolean
}

const NEWLINE = Buffer.from('\n')
const TAB = Buffer.from('\t')
const END = Buffer.from('\\.')
/** Beyond the first rows of a table every so many-th is looked at. */
const SAMPLE_EVERY = 997
const BATCH_ROWS = 500
const BATCH_BYTES = 256 * 1024
/** A longer row is masked field by field as it comes. */
const LONG_ROW_BYTES = 1024 * 1024
const LARGE_OBJECT = /^SELECT pg_catalog\.lowrite\(/
/** No statement that we look for is longer. */
const STATEMENT_BYTES = 1024 * 1024

interface FieldMask {
  readonly at: number
  readonly planned: number
  readonly mask: ValueMask
  /** What the mask must see of a long field. */
  readonly keepBytes: number
}

/** The rows that are under way. */
interface CurrentTable {
  readonly table: MaskableTable
  readonly columns: readonly string[]
  readonly masks: readonly FieldMask[]
  readonly sql: readonly PlannedColumn[]
  /** Places of the columns without a rule. */
  readonly open: ReadonlyArray<{ readonly at: number; readonly sample: string[] }>
  rows: number
}

/**
 * Masks rows in the SQL that pg_restore writes, as it comes by: what goes in is unmasked, what comes out is what the mask
 * says. Rows of tables without a rule, and all that is not rows, pass as they are.
 */
export class CopyMasker {
  readonly #job: MaskJob
  #pending: Buffer[] = []
  #pendingBytes = 0
  #long: LongRow | undefined
  #current: CurrentTable | undefined
  #batch: Buffer[][] = []
  #batchBytes = 0
  #out: Buffer[] = []

  constructor(job: MaskJob) {
    this.#job = job
  }

  /** What can be passed on after these bytes. */
  async add(bytes: Buffer): Promise<Buffer> {
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      const part = bytes.subarray(from, end)
      if (this.#long) this.#endLong(this.#long, part)
      else await this.#addLine(this.#pending.length === 0 ? part : Buffer.concat([...this.#pending, part]))
      this.#pending = []
      this.#pendingBytes = 0
      from = end + 1
    }
    if (from < bytes.length) this.#hold(bytes.subarray(from))
    return this.#take()
  }

  /** The start of a line whose end is still to come. */
  #hold(part: Buffer): void {
    if (this.#long) {
      this.#long.add(part)
      return
    }
    // A copy: the caller uses its buffer again.
    this.#pending.push(Buffer.from(part))
    this.#pendingBytes += part.length
    // SQL is asked about whole rows.
    if (this.#pendingBytes <= LONG_ROW_BYTES || this.#current === undefined || this.#current.sql.length > 0) return
    this.#long = this.#beginLong(this.#current)
    for (const held of this.#pending) this.#long.add(held)
    this.#pending = []
  }

  #beginLong(current: CurrentTable): LongRow {
    const looked = isLookedAt(current)
    current.rows++
    const sinkOf = (column: number): FieldSink => {
      const mask = current.masks.find(({ at }) => at === column)
      if (mask) return { keepBytes: mask.keepBytes, replace: field => this.#maskField(mask, field) }
      const open = looked ? current.open.find(({ at }) => at === column) : undefined
      if (!open) return { keepBytes: 0 }
      return { keepBytes: SAMPLE_LIMIT_BYTES + 1, look: field => this.#lookAt(field, open.sample) }
    }
    return new LongRow(sinkOf, bytes => void this.#out.push(bytes))
  }

  #endLong(row: LongRow, part: Buffer): void {
    row.add(part)
    row.end()
    this.#out.push(NEWLINE)
    this.#long = undefined
  }

  /** The rest. Throws when the text ends inside of rows. */
  end(): Buffer {
    if (this.#current) {
      throw new AppError('damaged', `the archive ends in the middle of table ${this.#current.table.key}`, {
        hint: 'Run "lifeboat check --read-data", and restore an earlier snapshot.',
      })
    }
    this.#out.push(...this.#pending)
    this.#pending = []
    return this.#take()
  }

  #take(): Buffer {
    const out = Buffer.concat(this.#out)
    this.#out = []
    return out
  }

  async #addLine(line: Buffer): Promise<void> {
    const current = this.#current
    if (current === undefined) this.#statement(line)
    else if (line.equals(END)) {
      await this.#flush(current)
      this.#current = undefined
      this.#out.push(Buffer.from(line), NEWLINE)
    } else await this.#row(current, line)
  }

  #statement(line: Buffer): void {
    this.#out.push(Buffer.from(line), NEWLINE)
    const text = line.length > STATEMENT_BYTES ? '' : line.toString(this.#job.encoding)
    if (LARGE_OBJECT.test(line.subarray(0, 40).toString('latin1'))) this.#job.largeObjects = true
    if (text.startsWith('INSERT INTO ')) throw rowsAsStatements()
    const copy = text.startsWith('COPY ') ? parseCopy(text) : undefined
    if (copy) this.#current = this.#begin(copy.table, copy.columns)
  }

  #begin(key: string, columns: readonly string[]): CurrentTable {
    const { plan, tables, seed, samples } = this.#job
    const table = tables.get(key)
    if (!table) throw unknownTable(key)
    const ruled = plan.flatMap((each, planned) => (each.table === key ? [{ each, planned }] : []))
    const masks: FieldMask[] = []
    for (const { each, planned } of ruled) {
      const type = table.columns.find(column => column.name === each.column)?.type ?? 'other'
      const at = columns.indexOf(each.column)
      if (at < 0) throw unknownTable(`${key}.${each.column}`)
      if (each.rule.kind !== 'keep' && each.rule.kind !== 'sql')
        masks.push({ at, planned, mask: valueMask(each, type, seed), keepBytes: keepBytesOf(each) })
    }
    const names = new Set(ruled.map(({ each }) => each.column))
    const open = columns.flatMap((name, at) => {
      if (names.has(name)) return []
      const sample = samples.get(`${key}\0${name}`) ?? []
      samples.set(`${key}\0${name}`, sample)
      return [{ at, sample }]
    })
    const sql = ruled.map(({ each }) => each).filter(each => each.rule.kind === 'sql')
    return { table, columns, masks, sql, open, rows: 0 }
  }

  async #row(current: CurrentTable, line: Buffer): Promise<void> {
    const looked = isLookedAt(current)
    current.rows++
    if (current.masks.length === 0 && current.sql.length === 0 && !looked) {
      this.#out.push(Buffer.from(line), NEWLINE)
      return
    }
    const fields = splitRow(line)
    if (looked) this.#look(current, fields)
    if (current.sql.length === 0) {
      this.#write(this.#masked(current, fields))
      return
    }
    // SQL sees the row as it was, so it is masked when the answer is here.
    this.#batch.push(splitRow(Buffer.from(line)))
    this.#batchBytes += line.length
    if (this.#batch.length >= BATCH_ROWS || this.#batchBytes >= BATCH_BYTES) await this.#flush(current)
  }

  #look(current: CurrentTable, fields: readonly Buffer[]): void {
    for (const { at, sample } of current.open) {
      const field = fields[at]
      if (field !== undefined) this.#lookAt(field, sample)
    }
  }

  #lookAt(field: Buffer, sample: string[]): void {
    if (field.length > SAMPLE_LIMIT_BYTES || sample.length >= 2 * SAMPLE_VALUES) return
    const value = decodeField(field, this.#job.encoding)
    if (value !== undefined) sample.push(value)
  }

  #masked(current: CurrentTable, fields: readonly Buffer[]): Buffer[] {
    const out = [...fields]
    for (const mask of current.masks) out[mask.at] = this.#maskField(mask, fields[mask.at] ?? Buffer.from('\\N'))
    return out
  }

  #maskField({ planned, mask }: FieldMask, field: Buffer): Buffer {
    const { encoding, counts } = this.#job
    const value = decodeField(field, encoding)
    if (value === undefined) return field
    counts[planned] = (counts[planned] ?? 0) + 1
    return encodeField(mask(value), encoding)
  }

  async #flush(current: CurrentTable): Promise<void> {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    this.#batchBytes = 0
    const { encoding, sqlRules, plan, counts } = this.#job
    const rows: RowFields[] = batch.map(fields => fields.map(field => decodeField(field, encoding) ?? null))
    const answers = (await sqlRules?.evaluate(current.table, current.sql, current.columns, rows)) ?? []
    for (const [i, fields] of batch.entries()) {
      const out = this.#masked(current, fields)
      for (const [j, rule] of current.sql.entries()) {
        const at = current.columns.indexOf(rule.column)
        const planned = plan.indexOf(rule)
        if (rows[i]?.[at] !== null) counts[planned] = (counts[planned] ?? 0) + 1
        // No answer for a row would leave it as it was: never.
        const answer = answers[i]
        if (answer === undefined) throw new Error('fewer answers than rows')
        out[at] = encodeField(answer[j] ?? undefined, encoding)
      }
      this.#write(out)
    }
  }

  #write(fields: readonly Buffer[]): void {
    for (const [i, field] of fields.entries()) {
      if (i > 0) this.#out.push(TAB)
      this.#out.push(Buffer.from(field))
    }
    this.#out.push(NEWLINE)
  }
}

/** What becomes NULL or a fixed value is only told from NULL. */
function keepBytesOf({ rule }: PlannedColumn): number {
  return rule.kind === 'null' || rule.kind === 'fixed' ? '\\N'.length + 1 : Number.POSITIVE_INFINITY
}

function isLookedAt({ rows }: CurrentTable): boolean {
  return rows < SAMPLE_VALUES || rows % SAMPLE_EVERY === 0
}

/** Nothing personal that we know by its form is longer. */
const SAMPLE_LIMIT_BYTES = 4096

function rowsAsStatements(): AppError {
  return new AppError('unsupported', 'the archive holds rows as INSERT statements, which cannot be masked', {
    hint: 'Back the database up with Lifeboat, whose archives hold rows as COPY.',
  })
}

function unknownTable(name: string): AppError {
  return new AppError('damaged', `the archive holds rows of ${name}, which its schema does not have`, {
    hint: 'Run "lifeboat check --read-data", and restore another snapshot.',
  })
}
