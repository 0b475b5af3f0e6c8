import type { DatabaseSync } from 'node:sqlite'
import type { Finding } from '../../../model/finding.ts'
import { SAMPLE_VALUES, unmaskedFinding } from '../../../model/masking/detection.ts'
import { needsApplication } from '../run-schema.ts'
import { quoteName } from '../schema-text.ts'
import type { StoredTable } from '../stored-tables.ts'
import type { CopyRequest } from './copy-protocol.ts'
import { readMaskable } from './maskable-schema.ts'

/** Columns without a rule whose values look personal. Only of tables whose rows the copy gets. */
export function findUnmasked(
  db: DatabaseSync,
  stored: readonly StoredTable[],
  { plan, file }: Pick<CopyRequest, 'plan' | 'file'>,
): Finding[] {
  const ruled = new Set(plan.map(each => `${each.table}\0${each.column}`))
  const isCopied = ({ name, type, virtual }: StoredTable): boolean =>
    type === 'table' || (virtual?.kind === 'search' && plan.some(each => each.table === name))
  const copied = new Map(stored.filter(isCopied).map(table => [table.name, table]))
  return readMaskable(db).flatMap(table => {
    const source = copied.get(table.key)
    const open = table.columns.filter(column => !ruled.has(`${table.key}\0${column.name}`) && !column.generated)
    if (source === undefined || open.length === 0) return []
    const hasRowid = source.type === 'table' && !source.withoutRowid
    const names = open.map(column => column.name)
    const rows = sampleRows(db, table.key, names, hasRowid)
    return open.flatMap((column, i) => {
      const samples = rows.flatMap(row => asSample(row[i]))
      return unmaskedFinding(file, table, column, samples) ?? []
    })
  })
}

/** Nothing personal that we know by its form is longer. */
const SAMPLE_CHARS = 4096

/** The first rows and the last ones: what was written early and what was written of late. */
function sampleRows(db: DatabaseSync, table: string, columns: readonly string[], hasRowid: boolean): unknown[][] {
  const select = `SELECT ${columns.map(sampled).join(', ')} FROM main.${quoteName(table)}`
  const orders = hasRowid ? ['', ' ORDER BY rowid DESC'] : ['']
  return orders.flatMap(order => {
    if (!isReadable(db, `${select}${order}`)) return []
    const statement = db.prepare(`${select}${order} LIMIT ${SAMPLE_VALUES}`)
    statement.setReturnArrays(true)
    statement.setReadBigInts(true)
    const rows: unknown[] = statement.all()
    return rows.filter(row => Array.isArray(row))
  })
}

/** A table may need a collation of the application's own. */
function isReadable(db: DatabaseSync, sql: string): boolean {
  try {
    db.prepare(sql)
    return true
  } catch (error) {
    if (!needsApplication(error)) throw error
    return false
  }
}

/** Blobs tell nothing here, and may be large. */
function sampled(column: string): string {
  const name = quoteName(column)
  return `CASE typeof(${name}) WHEN 'text' THEN substr(${name}, 1, ${SAMPLE_CHARS}) WHEN 'blob' THEN NULL ELSE ${name} END`
}

function asSample(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'number' || typeof value === 'bigint' ? [String(value)] : []
}
