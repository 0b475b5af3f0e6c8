import { AppError } from '../../base/errors.ts'
import { findColumn } from '../../model/table-description.ts'
import { about, type Group, type MergeRun, reasonNumber } from './merge-run.ts'
import { STATE, type WorkTable } from './work-table.ts'

/** Adds the accepted rows, in the order of their keys. */
export async function insertRows(run: MergeRun, group: Group): Promise<void> {
  const withRows: Array<{ readonly table: WorkTable; readonly rows: number }> = []
  for (const table of group) {
    const rows = await run.count(table, `b.s = ${STATE.accepted}`)
    if (rows > 0) withRows.push({ table, rows })
  }
  if (withRows.length > 1) await run.place.deferReferences(group.map(table => table.plan.target))
  for (const { table, rows } of withRows) {
    requireDefaults(table)
    const alone =
      group.length === 1 && table.plan.links.every(link => !link.within) && table.plan.target.allKeysKnown !== true
    const all = await about(table, 'add rows to', () => insert(run, table, rows, alone))
    if (!all) await skipRefused(run, table)
  }
}

/**
 * Keys that we do not know the database knows: it leaves out what would break them. Not where rows refer to rows of the
 * same statement, of which one might be left out. Returns whether all rows were added.
 */
async function insert(run: MergeRun, table: WorkTable, rows: number, alone: boolean): Promise<boolean> {
  const { columns, target } = table.plan
  const names = columns.map(column => table.quoted(column.name)).join(', ')
  const values = columns.map(column => `b.${table.value(column.name)}`).join(', ')
  const insert = `INSERT INTO ${target.sql} (${names}) ${run.dialect.overriding} SELECT ${values} FROM ${table.name} AS b`
  const condition = `b.s = ${STATE.accepted}`
  if (alone) return await run.place.addWhatFits({ table: target, insert, work: table.name, condition, rows })
  await run.change(`${insert} WHERE ${condition} ORDER BY b.n`)
  return true
}

async function skipRefused(run: MergeRun, table: WorkTable): Promise<void> {
  const { key, target } = table.plan
  const same = key.map(name => run.dialect.same(`t.${table.quoted(name)}`, `b.${table.value(name)}`)).join(' AND ')
  await run.change(
    `UPDATE ${table.name} AS b SET s = ${STATE.skipped}, w = ${reasonNumber('unique-value-taken')}
     WHERE b.s = ${STATE.accepted} AND NOT EXISTS (SELECT 1 FROM ${target.scan} AS t WHERE ${same})`,
  )
}

function requireDefaults(table: WorkTable): void {
  const { target, backup, name } = table.plan
  const missing = target.columns.filter(
    column => !column.generated && !column.nullable && !column.hasDefault && !findColumn(backup, column.name),
  )
  if (missing.length === 0) return
  const columns = missing.map(column => column.name).join(', ')
  throw new AppError(
    'target-invalid',
    `cannot add rows to table ${name}: the backup has no ${columns}, which must not be null and has no default`,
    {
      hint: `Give the column a default for the time of the merge, or leave the table out: "${name}: { skip: true }" in restore.merge.tables. Nothing was changed.`,
      context: { table: name, columns: missing.map(column => column.name) },
    },
  )
}
