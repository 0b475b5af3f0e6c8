import { MERGE_REASONS, type MergedReason, type MergedTable, type MergeReason } from '../../model/merge-report.ts'
import { pairs } from './key-checks.ts'
import type { MergeRun } from './merge-run.ts'
import { STATE, UPDATE, type WorkTable } from './work-table.ts'

const EXAMPLES = 5

/** What became of the backup's rows of one table. `different`: matched rows whose values were not those of the target. */
export async function tally(run: MergeRun, table: WorkTable, different: number): Promise<MergedTable> {
  const counts = { rows: 0, added: 0, matched: 0, updated: 0, remapped: 0, skipped: 0 }
  const reasons = new Map<number, number>()
  for (const row of await run.place.rows(`SELECT s, w, x, u, count(*) FROM ${table.name} GROUP BY s, w, x, u`)) {
    const [s = 0, w = 0, x = 0, u = 0, rows = 0] = row.map(Number)
    counts.rows += rows
    if (s === STATE.accepted) counts.added += rows
    if (s === STATE.matched) counts.matched += rows
    if (s === STATE.skipped) counts.skipped += rows
    else if (x === 1) counts.remapped += rows
    if (u === UPDATE.done) counts.updated += rows
    if (w > 0) reasons.set(w, (reasons.get(w) ?? 0) + rows)
  }
  const { name, key, onConflict } = table.plan
  const explained: MergedReason[] = []
  for (const [number, rows] of [...reasons].toSorted(([a], [b]) => a - b)) {
    const why = MERGE_REASONS[number - 1]
    if (why !== undefined) explained.push({ why, rows, examples: await examplesOf(run, table, number, why) })
  }
  return { table: name, key, onConflict, ...counts, different: different - counts.updated, reasons: explained }
}

/** By the key, and for what has lost its parent or value by that too. */
async function examplesOf(run: MergeRun, table: WorkTable, number: number, why: MergeReason): Promise<string[]> {
  const columns = [...new Set([...table.plan.key, ...blamed(table, why)])]
  const values = columns.map(column => run.dialect.text(table.value(column)))
  const rows = await run.place.rows(
    `SELECT ${values.join(', ')} FROM ${table.name} WHERE w = ${number} ORDER BY n LIMIT ${EXAMPLES}`,
  )
  return rows.map(row => pairs(columns, row))
}

function blamed(table: WorkTable, why: MergeReason): readonly string[] {
  if (why === 'unique-value-taken' || why === 'kept-unique-value-taken') return table.plan.others.flat()
  if (why === 'must-not-be-null') return []
  return table.plan.links.flatMap(link => link.columns)
}
