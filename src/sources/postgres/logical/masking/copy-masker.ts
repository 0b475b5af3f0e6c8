import { AppError } from '../../../../base/errors.ts'
import { SAMPLE_VALUES } from '../../../../model/masking/detection.ts'
import type { MaskableTable } from '../../../../model/masking/maskable.ts'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'
import { type CopyEncoding, decodeField, encodeField, parseCopy, splitRow } from './copy-field.ts'
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
const LARGE_OBJECT = /^SELECT pg_catalog\.lowrite\(/
/** No statement that we look for is longer. */
const STATEMENT_BYTES = 1024 * 1024

/** The rows that are under way. */
interface CurrentTable {
  readonly table: MaskableTable
  readonly columns: readonly string[]
  readonly masks: ReadonlyArray<{ readonly at: number; readonly planned: number; readonly mask: ValueMask }>
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
      await this.#addLine(this.#pending.length === 0 ? part : Buffer.concat([...this.#pending, part]))
      this.#pending = []
      from = end + 1
    }
    // A copy: the caller uses its buffer again.
    if (from < bytes.length) this.#pending.push(Buffer.from(bytes.subarray(from)))
    return this.#take()
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
    const masks: Array<CurrentTable['masks'][number]> = []
    for (const { each, planned } of ruled) {
      const type = table.columns.find(column => column.name === each.column)?.type ?? 'other'
      const at = columns.indexOf(each.column)
      if (at < 0) throw unknownTable(`${key}.${each.column}`)
      if (each.rule.kind !== 'keep' && each.rule.kind !== 'sql')
        masks.push({ at, planned, mask: valueMask(each, type, seed) })
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
    const looked = current.rows < SAMPLE_VALUES || current.rows % SAMPLE_EVERY === 0
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
      if (field === undefined || field.length > SAMPLE_LIMIT_BYTES || sample.length >= 2 * SAMPLE_VALUES) continue
      const value = decodeField(field, this.#job.encoding)
      if (value !== undefined) sample.push(value)
    }
  }

  #masked(current: CurrentTable, fields: readonly Buffer[]): Buffer[] {
    const { encoding, counts } = this.#job
    const out = [...fields]
    for (const { at, planned, mask } of current.masks) {
      const value = decodeField(fields[at] ?? Buffer.from('\\N'), encoding)
      if (value === undefined) continue
      counts[planned] = (counts[planned] ?? 0) + 1
      out[at] = encodeField(mask(value), encoding)
    }
    return out
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

/** Nothing personal that we know by its form is longer. */
const SAMPLE_LIMIT_BYTES = 4096

function rowsAsStatements(): AppError {
  return new AppError('unsupported', 'the archive holds rows as INSERT statements, which can not be masked', {
    hint: 'Back the database up with Lifeboat, whose archives hold rows as COPY.',
  })
}

function unknownTable(name: string): AppError {
  return new AppError('damaged', `the archive holds rows of ${name}, which its schema does not have`, {
    hint: 'Run "lifeboat check --read-data", and restore another snapshot.',
  })
}
