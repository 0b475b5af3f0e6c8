import type { MergeReason } from '../../model/merge-report.ts'
import { about, type Group, type MergeRun, reasonNumber } from './merge-run.ts'
import { nowhereCondition, parentState } from './parents.ts'
import { rival } from './uniqueness.ts'
import { anyOf, equal, STATE, UPDATE, type WorkTable } from './work-table.ts'

/** Columns of a matched row that take the backup's values: those that others in the group may refer to come last. */
interface Updatable {
  readonly now: readonly string[]
  readonly later: readonly string[]
  /** Of those, what is part of a unique key stays: what it would be is not known while others are checked. */
  readonly never: readonly string[]
}

/** Marks matched rows that are to take the backup's values. Returns how many differ from what is there, by table. */
export async function decideUpdates(run: MergeRun, group: Group): Promise<Map<string, number>> {
  const different = new Map<string, number>()
  for (const table of group) {
    const { onConflict, name } = table.plan
    const columns = updatable(table)
    const differ = differCondition(run, table, columns)
    if (differ === undefined) continue
    if (onConflict === 'keep') different.set(name, await countDifferent(run, table, differ))
    else different.set(name, await wantUpdates(run, table, columns, differ))
  }
  return different
}

function updatable(table: WorkTable): Updatable {
  const { columns, kept, links, others } = table.plan
  const within = new Set(links.filter(link => link.within).flatMap(link => link.columns))
  const unique = new Set(others.flat())
  const names = columns.map(column => column.name).filter(name => !kept.includes(name))
  const last = names.filter(name => within.has(name))
  return {
    now: names.filter(name => !within.has(name)),
    later: last.filter(name => !unique.has(name)),
    never: last.filter(name => unique.has(name)),
  }
}

function differCondition(run: MergeRun, table: WorkTable, columns: Updatable): string | undefined {
  const differs = (name: string): string => run.dialect.differs(`b.${table.value(name)}`, `t.${table.quoted(name)}`)
  const followed = columns.later.map(name => {
    const links = table.plan.links.filter(link => link.within && link.columns.includes(name))
    return [differs(name), ...links.map(link => `NOT ${parentState(run, table, link, [STATE.skipped])}`)].join(' AND ')
  })
  const all = [...columns.now.map(differs), ...followed]
  return all.length === 0 ? undefined : anyOf(all)
}

async function countDifferent(run: MergeRun, table: WorkTable, differ: string): Promise<number> {
  let count = 0
  for (const join of await run.keyJoins(table, `b.s = ${STATE.matched}`)) {
    const [row] = await run.place.rows(
      `SELECT count(*) FROM ${table.name} AS b JOIN ${table.plan.target.scan} AS t ON ${join}
       WHERE b.s = ${STATE.matched} AND (${differ})`,
    )
    count += Number(row?.[0] ?? 0)
  }
  return count
}

async function wantUpdates(run: MergeRun, table: WorkTable, columns: Updatable, differ: string): Promise<number> {
  const { newerBy } = table.plan
  let count = 0
  for (const join of await run.keyJoins(table, `b.s = ${STATE.matched}`)) {
    count += await run.change(
      `UPDATE ${table.name} AS b SET u = ${UPDATE.wanted} FROM ${table.plan.target.scan} AS t
       WHERE b.s = ${STATE.matched} AND ${join} AND (${differ})`,
    )
    if (newerBy === undefined) continue
    const [backup, there] = [`b.${table.value(newerBy)}`, `t.${table.quoted(newerBy)}`]
    await run.change(
      `UPDATE ${table.name} AS b SET u = ${UPDATE.no} FROM ${table.plan.target.scan} AS t
       WHERE b.u = ${UPDATE.wanted} AND ${join} AND (${backup} IS NULL OR ${backup} <= ${there})`,
    )
  }
  for (const link of table.plan.links) {
    const nowhere = nowhereCondition(run, table, link)
    if (nowhere !== undefined) await refuse(run, table, 'kept-parent-nowhere', nowhere)
    if (!link.followed || link.within) continue
    await refuse(run, table, 'kept-parent-nowhere', parentState(run, table, link, [STATE.skipped]))
  }
  const demanded = table.plan.columns.filter(column => !column.nullable && columns.now.includes(column.name))
  const isNull = demanded.map(column => `b.${table.value(column.name)} IS NULL`)
  if (isNull.length > 0) await refuse(run, table, 'must-not-be-null', anyOf(isNull))
  await keepValues(run, table, columns.never)
  return count
}

/** Rows that update will have these as the target has them, and are compared with others so. */
async function keepValues(run: MergeRun, table: WorkTable, columns: readonly string[]): Promise<void> {
  if (columns.length === 0) return
  const values = columns.map(name => `${table.value(name)} = t.${table.quoted(name)}`)
  for (const join of await run.keyJoins(table, `b.u = ${UPDATE.wanted}`)) {
    await run.change(
      `UPDATE ${table.name} AS b SET ${values.join(', ')} FROM ${table.plan.target.scan} AS t
       WHERE b.u = ${UPDATE.wanted} AND ${join}`,
    )
  }
}

async function refuse(run: MergeRun, table: WorkTable, why: MergeReason, condition: string): Promise<void> {
  await run.change(
    `UPDATE ${table.name} AS b SET u = ${UPDATE.refused}, w = ${reasonNumber(why)}
     WHERE b.u = ${UPDATE.wanted} AND (${condition})`,
  )
}

/**
 * Writes them. Where values must be unique, in rounds: a row goes when what it wants is free, which may free what another
 * one waits for. Rows that would have to swap stay as they are.
 */
export async function writeUpdates(run: MergeRun, group: Group): Promise<void> {
  for (const table of group) {
    if (table.plan.onConflict === 'keep') continue
    const { now } = updatable(table)
    const moving = table.plan.others.filter(set => set.some(name => now.includes(name)))
    for (;;) {
      const free = moving.map(set => `AND NOT ${takenInTarget(run, table, set)} AND NOT ${wantedEarlier(table, set)}`)
      const going = await run.change(
        `UPDATE ${table.name} AS b SET u = ${UPDATE.going} WHERE b.u = ${UPDATE.wanted} ${free.join(' ')}`,
      )
      if (going === 0) break
      if (now.length > 0) await writeColumns(run, table, now, `b.u = ${UPDATE.going}`)
      await run.change(`UPDATE ${table.name} SET u = ${UPDATE.done} WHERE u = ${UPDATE.going}`)
    }
    await refuse(run, table, 'kept-unique-value-taken', '1 = 1')
  }
}

function takenInTarget(run: MergeRun, table: WorkTable, set: readonly string[]): string {
  const columns = set.map((name): [string, string] => [`t.${table.quoted(name)}`, `b.${table.value(name)}`])
  const itself = table.plan.key.map(name => run.dialect.same(`t.${table.quoted(name)}`, `b.${table.value(name)}`))
  return `EXISTS (SELECT 1 FROM ${table.plan.target.scan} AS t WHERE ${equal(columns)} AND NOT (${itself.join(' AND ')}))`
}

function wantedEarlier(table: WorkTable, set: readonly string[]): string {
  return rival(table, set, `r.u = ${UPDATE.wanted} AND r.n < b.n`)
}

/** References to rows of the same group, when these are there. */
export async function writeLaterUpdates(run: MergeRun, group: Group): Promise<void> {
  for (const table of group) {
    if (table.plan.onConflict === 'keep') continue
    const { later } = updatable(table)
    for (const link of table.plan.links.filter(each => each.within)) {
      const columns = link.columns.filter(name => later.includes(name))
      if (columns.length === 0) continue
      const there = parentState(run, table, link, [STATE.matched, STATE.accepted])
      const condition = `b.u = ${UPDATE.done} AND (b.${table.pointer(link)} IS NULL OR ${there})`
      await writeColumns(run, table, columns, condition)
    }
  }
}

async function writeColumns(
  run: MergeRun,
  table: WorkTable,
  columns: readonly string[],
  condition: string,
): Promise<void> {
  const values = columns.map(name => `${table.quoted(name)} = b.${table.value(name)}`)
  for (const join of await run.keyJoins(table, condition)) {
    await about(table, 'update', () =>
      run.change(
        `UPDATE ${table.plan.target.scan} AS t SET ${values.join(', ')} FROM ${table.name} AS b WHERE ${condition} AND ${join}`,
      ),
    )
  }
}
