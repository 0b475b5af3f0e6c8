import { AppError } from '../../base/errors.ts'
import type { MergeRun } from './merge-run.ts'
import type { WorkTable } from './work-table.ts'

const SHOWN = 5

/** Throws `target-invalid` with the first duplicates when a key does not tell rows apart, in the backup or the target. */
export async function checkKeys(run: MergeRun): Promise<void> {
  for (const table of run.tables) {
    const { plan } = table
    const values = plan.key.map(column => table.value(column))
    await refuseDuplicates(run, table, { columns: plan.key, values, from: table.name, side: 'backup' })
    for (const set of plan.referenced) await checkReferenced(run, table, set)
  }
  await checkTargetKeys(run)
}

/** The same for the target alone, which others may have changed before it was locked. */
export async function checkTargetKeys(run: MergeRun): Promise<void> {
  for (const table of run.tables.filter(each => !each.plan.keyGuaranteed)) {
    const { plan } = table
    const quoted = plan.key.map(column => table.quoted(column))
    await refuseDuplicates(run, table, { columns: plan.key, values: quoted, from: plan.target.scan, side: 'database' })
  }
}

/** What rows are referred to by must be one row's, or nobody knows whose children are whose. */
async function checkReferenced(run: MergeRun, table: WorkTable, set: readonly string[]): Promise<void> {
  const values = set.map(column => table.original(column))
  const present = values.map(value => `${value} IS NOT NULL`).join(' AND ')
  await refuseDuplicates(run, table, { columns: set, values, from: table.name, side: 'backup', where: present })
}

interface Look {
  readonly columns: readonly string[]
  readonly values: readonly string[]
  readonly from: string
  readonly side: 'backup' | 'database'
  readonly where?: string
}

async function refuseDuplicates(run: MergeRun, table: WorkTable, look: Look): Promise<void> {
  const texts = look.values.map(value => run.dialect.text(value))
  const rows = await run.place.rows(
    `SELECT ${texts.map(text => `min(${text})`).join(', ')}, count(*) FROM ${look.from}
     ${look.where === undefined ? '' : `WHERE ${look.where}`}
     GROUP BY ${look.values.join(', ')} HAVING count(*) > 1 ORDER BY ${look.values.join(', ')} LIMIT ${SHOWN}`,
  )
  if (rows.length === 0) return
  const shown = rows.map(row => `${pairs(look.columns, row)} (${row.at(-1)} rows)`)
  const key = look.columns.join(', ')
  throw new AppError(
    'target-invalid',
    `cannot merge table ${table.plan.name}: ${key} is not unique in the ${look.side}: ${shown.join('; ')}`,
    {
      hint: `Choose a unique key in restore.merge.tables.${table.plan.name} of lifeboat.yaml, or leave the table out with "skip: true". Nothing was changed.`,
      context: { table: table.plan.name, key: look.columns, side: look.side, duplicates: shown },
    },
  )
}

/** `email=ada@example.com, tenant=3`. */
export function pairs(columns: readonly string[], values: ReadonlyArray<string | null>): string {
  return columns.map((column, i) => `${column}=${values[i] ?? 'NULL'}`).join(', ')
}
