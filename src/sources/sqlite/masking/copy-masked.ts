import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import type { Finding } from '../../../model/finding.ts'
import type { MaskableTable } from '../../../model/masking/maskable.ts'
import type { PlannedColumn } from '../../../model/masking/plan.ts'
import { pragma, readSchema } from '../describe-database.ts'
import { parseHeader } from '../header.ts'
import { needsApplication, runSchema } from '../run-schema.ts'
import { quoteName, quoteText, type SchemaObject } from '../schema-text.ts'
import { listStored, rebuildStatement, rowColumnsOf, type StoredTable } from '../stored-tables.ts'
import { writableColumns } from '../table-shape.ts'
import type { CopyOutcome, CopyRequest, MaskFailure } from './copy-protocol.ts'
import { findUnmasked } from './find-unmasked.ts'
import { MaskFunction } from './mask-function.ts'
import { readMaskable } from './maskable-schema.ts'

/**
 * Fills a new database with what another holds, masked on the way. The new file never holds anything else: not in free
 * pages, not in a journal. That also keeps rows, rowids and the schema as they are, whatever the constraints: an UPDATE
 * in place would meet values that are masked already.
 */
export class MaskedCopy {
  readonly #original: DatabaseSync
  readonly #db: DatabaseSync
  readonly #wal: boolean
  readonly #stored: readonly StoredTable[]
  readonly #objects: readonly SchemaObject[]
  readonly #notMade: Finding[] = []
  readonly #lacks = { rowsOf: [] as string[], indexes: false }
  #doing: Omit<MaskFailure, 'message' | 'sqliteCode'> = { table: '', index: undefined, column: undefined }

  /** Once this returns, the staged file can be unlinked: both connections have it open. */
  constructor(staged: string, into: string) {
    this.#wal = parseHeader(readFileSync(staged).subarray(0, 100))?.wal === true
    const url = pathToFileURL(staged)
    // Nobody else knows of it, so no lock, no journal and no index of a log is needed, nor made beside it.
    url.search = '?immutable=1'
    const lax = { enableDoubleQuotedStringLiterals: true, defensive: false }
    this.#original = new DatabaseSync(url, { ...lax, readOnly: true })
    this.#db = new DatabaseSync(into, { ...lax, enableForeignKeyConstraints: false })
    // In memory: a statement that fails in the middle leaves nothing. Pages of a new file are not in it.
    this.#db.exec(`PRAGMA encoding = ${quoteText(String(pragma(this.#original, 'encoding')))};
      PRAGMA page_size = ${pragma(this.#original, 'page_size')};
      PRAGMA auto_vacuum = ${pragma(this.#original, 'auto_vacuum')};
      PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;`)
    this.#db.exec(`ATTACH ${quoteText(url.href)} AS original`)
    this.#original.exec('PRAGMA temp_store = MEMORY')
    this.#stored = listStored(this.#original)
    this.#objects = readSchema(this.#original)
  }

  get tables(): MaskableTable[] {
    return readMaskable(this.#original)
  }

  /** Data that the schema does not take is told in the outcome; anything else is thrown. */
  run(request: CopyRequest): CopyOutcome {
    const masks = new MaskFunction(request.plan, request.seed)
    masks.register(this.#db)
    const findings = findUnmasked(this.#original, this.#stored, request)
    try {
      this.#tryExpressions(request.plan)
      this.#db.exec('BEGIN')
      this.#createTables()
      for (const table of this.#stored) if (table.type === 'table') this.#fill(table, masks, request.plan)
      this.#copyOwnTables()
      for (const type of ['index', 'view']) this.#create(type)
      for (const table of this.#stored) if (table.virtual) findings.push(...this.#fillVirtual(table, masks, request))
      this.#create('trigger')
      this.#db.exec(`PRAGMA user_version = ${pragma(this.#original, 'user_version')};
        PRAGMA application_id = ${pragma(this.#original, 'application_id')}; COMMIT`)
      this.#close()
    } catch (error) {
      const failure = this.#failureOf(error)
      this.#db.close()
      if (failure === undefined) throw error
      return { failure }
    }
    return { counts: masks.counts, findings: [...findings, ...this.#notMade], lacks: this.#lacks }
  }

  /** What can't be run at all is known before anything is written. */
  #tryExpressions(plan: readonly PlannedColumn[]): void {
    for (const { table, column, rule } of plan) {
      if (rule.kind !== 'sql') continue
      this.#doing = { table, index: undefined, column }
      const name = quoteName(table)
      this.#original.prepare(`SELECT (${rule.expression}\n) FROM main.${name} AS ${name}`)
    }
  }

  #close(): void {
    this.#original.close()
    this.#db.exec('DETACH original')
    if (this.#wal) this.#db.exec('PRAGMA journal_mode = WAL')
    this.#db.close()
  }

  /** Undefined for what is not about the data: a full disk. */
  #failureOf(error: unknown): MaskFailure | undefined {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined
    const primary = code === undefined ? undefined : code & 0xff
    // SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH
    if (!(error instanceof Error) || primary === undefined || ![1, 19, 20].includes(primary)) return undefined
    return { ...this.#doing, message: error.message, sqliteCode: code }
  }

  /** Modules make the tables behind their virtual tables themselves, where they are here. */
  #createTables(): void {
    const byName = new Map(this.#stored.map(table => [table.name, table]))
    const unknown: SchemaObject[] = []
    const virtual: SchemaObject[] = []
    for (const object of this.#objects) {
      if (object.type !== 'table') continue
      const table = byName.get(object.name)
      if (table?.virtual) (table.virtual.kind === 'unknown' ? unknown : virtual).push(object)
      else if (table?.type !== 'shadow') {
        this.#doing = { table: object.name, index: undefined, column: undefined }
        runSchema(this.#db, object.sql)
      }
    }
    for (const object of virtual) this.#exec(object.name, undefined, object.sql)
    if (unknown.length === 0) return
    this.#db.exec('PRAGMA writable_schema = ON')
    const insert = this.#db.prepare("INSERT INTO main.sqlite_schema VALUES ('table', ?, ?, 0, ?)")
    for (const { name, sql } of unknown) insert.run(name, name, sql)
    this.#db.exec('PRAGMA writable_schema = OFF')
  }

  #create(type: string): void {
    const shadows = new Set(this.#stored.filter(table => table.type === 'shadow').map(table => table.name))
    for (const object of this.#objects) {
      if (object.type !== type || shadows.has(object.table)) continue
      if (type === 'index') this.#makeIndex(object)
      else this.#exec(object.table, undefined, object.sql)
    }
  }

  #makeIndex({ name, table, sql }: SchemaObject): void {
    try {
      this.#exec(table, name, sql)
    } catch (error) {
      if (!needsApplication(error)) throw error
      this.#lacks.indexes = true
      this.#notMade.push({
        severity: 'warning',
        code: 'index-not-restored',
        subject: `index ${name}`,
        message: `table ${table} is without this index: it needs what only the application has`,
        hint: `Let the application make it again: ${sql}`,
      })
    }
  }

  #fill(table: StoredTable, masks: MaskFunction, plan: readonly PlannedColumn[]): void {
    const { name } = table
    const columns = rowColumnsOf(this.#original, table)
    if (columns.length === 0) return
    const masked = plan.some(each => each.table === name && each.rule.kind !== 'keep')
    // What nobody changes was taken once, and is taken again.
    this.#db.exec(`PRAGMA ignore_check_constraints = ${masked ? 'OFF' : 'ON'}`)
    if (!this.#tryInsert(name, columns, masks)) {
      this.#db.exec('PRAGMA ignore_check_constraints = ON')
      if (!this.#tryInsert(name, columns, masks)) this.#leaveEmpty(name)
    }
    this.#db.exec('PRAGMA ignore_check_constraints = OFF')
  }

  /** False where its rules or columns need the application. */
  #tryInsert(name: string, columns: readonly string[], masks: MaskFunction): boolean {
    try {
      this.#insert(name, columns, masks)
      return true
    } catch (error) {
      if (!needsApplication(error)) throw error
      return false
    }
  }

  #leaveEmpty(name: string): void {
    this.#lacks.rowsOf.push(name)
    this.#notMade.push({
      severity: 'warning',
      code: 'table-not-copied',
      subject: `table ${name}`,
      message: 'it was left empty: its rows cannot be written without a function or collation of the application',
      hint: 'Restore without a mask to have them.',
    })
  }

  #insert(name: string, columns: readonly string[], masks: MaskFunction): void {
    const table = quoteName(name)
    const names = columns.map(quoteName).join(', ')
    const values = columns.map(column => masks.expression(name, column)).join(', ')
    this.#exec(
      name,
      undefined,
      `INSERT INTO main.${table} (${names}) SELECT ${values} FROM original.${table} AS ${table}`,
    )
  }

  /** Counters of AUTOINCREMENT, and statistics for the planner: those of `sqlite_stat1` alone, which hold no values. */
  #copyOwnTables(): void {
    const has = (name: string): boolean =>
      this.#original.prepare('SELECT 1 FROM main.sqlite_schema WHERE name = ?').get(name) !== undefined
    if (has('sqlite_sequence')) {
      this.#db.exec(`INSERT INTO main.sqlite_sequence (name, seq) SELECT name, 0 FROM original.sqlite_sequence
          WHERE name NOT IN (SELECT name FROM main.sqlite_sequence);
        UPDATE main.sqlite_sequence AS own SET seq = max(seq, (SELECT seq FROM original.sqlite_sequence AS o WHERE o.name = own.name))
          WHERE EXISTS (SELECT 1 FROM original.sqlite_sequence AS o WHERE o.name = own.name)`)
    }
    if (!has('sqlite_stat1')) return
    this.#db.exec(`ANALYZE main.sqlite_schema; DELETE FROM main.sqlite_stat1;
      INSERT INTO main.sqlite_stat1 SELECT * FROM original.sqlite_stat1`)
  }

  #fillVirtual(table: StoredTable, masks: MaskFunction, { plan, file }: CopyRequest): Finding[] {
    const { name, virtual } = table
    const rules = plan.filter(each => each.table === name)
    const keeps = rules.length > 0 && rules.every(each => each.rule.kind === 'keep')
    if (virtual?.kind === 'derived') return []
    const columns = virtual?.kind === 'unknown' ? [] : writableColumns(this.#original, name)
    if (virtual?.kind === 'external') {
      this.#exec(name, undefined, rebuildStatement(name))
    } else if (virtual?.kind === 'search' && rules.length > 0) {
      this.#insert(name, ['rowid', ...columns], masks)
    } else if (virtual?.kind === 'tables' && rules.length > 0 && !keeps) {
      this.#insert(name, columns, masks)
    } else if (virtual?.kind === 'tables' || (virtual?.kind === 'contentless' && keeps)) {
      this.#copyShadows(table)
    } else if (virtual?.kind === 'unknown') {
      return [moduleMissing(name, virtual.module)]
    } else {
      this.#lacks.rowsOf.push(name)
      return [leftEmpty(name, columns, file)]
    }
    return []
  }

  /** The tables behind a virtual table, as they are. */
  #copyShadows({ name }: StoredTable): void {
    const shadows = this.#stored.filter(each => each.type === 'shadow' && each.name.startsWith(`${name}_`))
    for (const shadow of shadows) {
      const columns = rowColumnsOf(this.#original, shadow).map(quoteName).join(', ')
      const quoted = quoteName(shadow.name)
      this.#exec(name, undefined, `DELETE FROM main.${quoted}`)
      this.#exec(name, undefined, `INSERT INTO main.${quoted} (${columns}) SELECT ${columns} FROM original.${quoted}`)
    }
  }

  #exec(table: string, index: string | undefined, sql: string): void {
    this.#doing = { table, index, column: undefined }
    this.#db.exec(sql)
  }
}

function leftEmpty(table: string, columns: readonly string[], file: string): Finding {
  const rules = columns.map(column => `${column}: text`).join(', ')
  return {
    severity: 'warning',
    code: 'search-index-empty',
    subject: table,
    message: 'this search index was left empty: it holds words of the texts that it was made from, and has no rule',
    hint: `Add to ${file}, under tables: "${table}: { ${rules} }" (or keep for each column, if nothing in it is personal), or let the application fill it.`,
  }
}

function moduleMissing(table: string, module: string): Finding {
  return {
    severity: 'warning',
    code: 'virtual-table-unmasked',
    subject: table,
    message: `the tables behind it are masked by their own rules only: the module ${module} is not here`,
    hint: `Give rules to the tables whose names begin with ${table}_, if they hold anything personal.`,
  }
}
