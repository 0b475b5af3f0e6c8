import type { Link } from '../../model/merge-plan.ts'
import type { Group, MergeRun } from './merge-run.ts'
import { allPresent, anyOf, equal, STATE, type WorkTable } from './work-table.ts'

/** Leaves out new rows whose parents are not there, or that lack what the target demands. */
export async function checkParents(run: MergeRun, group: Group): Promise<void> {
  for (const table of group) {
    for (const link of table.plan.links) {
      const nowhere = nowhereCondition(run, table, link)
      if (nowhere !== undefined) await run.skip(table, 'parent-nowhere', nowhere)
      if (link.followed) await run.skip(table, 'parents-disagree', disagreement(run, table, link))
    }
    const demanded = table.plan.columns.filter(column => !column.nullable)
    const isNull = demanded.map(column => `b.${table.value(column.name)} IS NULL`)
    if (isNull.length > 0) await run.skip(table, 'must-not-be-null', anyOf(isNull))
  }
  await skipOrphans(run, group)
}

/** What refers to a row that was left out is left out too, however far down. */
export async function skipOrphans(run: MergeRun, group: Group): Promise<void> {
  for (let skipped = 1; skipped > 0; ) {
    skipped = 0
    for (const table of group) {
      for (const link of table.plan.links.filter(each => each.followed)) {
        skipped += await run.skip(table, 'parent-skipped', parentState(run, table, link, [STATE.skipped]))
      }
    }
    if (!group.some(table => table.plan.links.some(link => link.within))) return
  }
}

/** The row that `b` refers to is in one of these states. */
export function parentState(run: MergeRun, table: WorkTable, link: Link, states: readonly number[]): string {
  return `EXISTS (SELECT 1 FROM ${run.parentOf(link).name} AS q WHERE q.n = b.${table.pointer(link)} AND q.s IN (${states.join(', ')}))`
}

/** `b` refers to a row that neither the backup nor, where its values can mean that, the target has. */
export function nowhereCondition(run: MergeRun, table: WorkTable, link: Link): string | undefined {
  const refers = `b.${table.pointer(link)} IS NULL AND ${allPresent(link.columns.map(column => `b.${table.original(column)}`))}`
  if (!link.byValue) return refers
  const parent = run.targetOf(link.parent)
  if (!parent) return undefined
  const columns = link.columns.map((column, i): [string, string] => [
    `t.${table.quoted(link.parentColumns[i] ?? '')}`,
    `b.${table.value(column)}`,
  ])
  return `${refers} AND NOT EXISTS (SELECT 1 FROM ${parent.scan} AS t WHERE ${equal(columns)})`
}

/** Two references share a column, and their parents' rows are under ids that can't both stand in it. */
function disagreement(run: MergeRun, table: WorkTable, link: Link): string {
  const parent = run.parentOf(link)
  const differ = link.columns.map(
    (column, i) => `b.${table.value(column)} <> q.${parent.value(link.parentColumns[i] ?? '')}`,
  )
  return `EXISTS (SELECT 1 FROM ${parent.name} AS q WHERE q.n = b.${table.pointer(link)} AND q.s <> ${STATE.skipped} AND (${differ.join(' OR ')}))`
}
