import { AppError } from '../../base/errors.ts'
import type { Group, MergeRun } from './merge-run.ts'
import { reasonNumber } from './merge-run.ts'
import { equal, STATE, type WorkTable } from './work-table.ts'

/** The row of its parent that each row of the backup refers to, by the values that the backup has. */
export async function followLinks(run: MergeRun): Promise<void> {
  for (const table of run.tables) {
    for (const link of table.plan.links.filter(each => each.followed)) {
      const parent = run.parentOf(link)
      const columns = link.columns.map((column, i): [string, string] => [
        `b.${table.original(column)}`,
        `q.${parent.original(link.parentColumns[i] ?? '')}`,
      ])
      await run.change(
        `UPDATE ${table.name} AS b SET ${table.pointer(link)} = q.n FROM ${parent.name} AS q WHERE ${equal(columns)}`,
      )
    }
  }
}

/**
 * Which rows of the target those of the backup are, and which are new, with the ids that they get. A row whose key holds a
 * reference waits for its parent: trees whose key is "parent and name" are matched from their roots.
 */
export async function identify(run: MergeRun, group: Group): Promise<void> {
  for (let found = 1; found > 0; ) {
    found = 0
    for (const table of group) found += await identifyReady(run, table)
  }
  for (const table of group) {
    const why = reasonNumber('parents-in-a-circle')
    await run.change(`UPDATE ${table.name} SET s = ${STATE.skipped}, w = ${why} WHERE s = ${STATE.open}`)
  }
}

async function identifyReady(run: MergeRun, table: WorkTable): Promise<number> {
  const links = table.plan.links.filter(link => link.inKey && link.followed)
  let skipped = 0
  const waiting: string[] = []
  for (const link of links) {
    const parent = `SELECT 1 FROM ${run.parentOf(link).name} AS q WHERE q.n = b.${table.pointer(link)} AND`
    skipped += await run.change(
      `UPDATE ${table.name} AS b SET s = ${STATE.skipped}, w = ${reasonNumber('parent-skipped')}
       WHERE b.s = ${STATE.open} AND EXISTS (${parent} q.s = ${STATE.skipped})`,
    )
    waiting.push(`AND NOT EXISTS (${parent} q.s NOT IN (${STATE.matched}, ${STATE.new}, ${STATE.accepted}))`)
  }
  const ready = await run.change(
    `UPDATE ${table.name} AS b SET s = ${STATE.ready} WHERE b.s = ${STATE.open} ${waiting.join(' ')}`,
  )
  if (ready === 0) return skipped
  for (const link of links) await rewrite(run, table, link, `b.s = ${STATE.ready}`)
  await match(run, table)
  await run.change(`UPDATE ${table.name} SET s = ${STATE.fresh} WHERE s = ${STATE.ready}`)
  await numberAnew(run, table)
  await run.change(`UPDATE ${table.name} SET s = ${STATE.new} WHERE s = ${STATE.fresh}`)
  return ready + skipped
}

/** References get the values by which the target knows the parents. */
export async function rewriteLinks(run: MergeRun, group: Group): Promise<void> {
  for (const table of group) {
    for (const link of table.plan.links.filter(each => each.followed)) {
      await rewrite(run, table, link, `b.s IN (${STATE.matched}, ${STATE.new})`)
    }
  }
}

async function rewrite(
  run: MergeRun,
  table: WorkTable,
  link: WorkTable['plan']['links'][number],
  condition: string,
): Promise<void> {
  const parent = run.parentOf(link)
  const columns = link.columns.map((column, i): [string, string] => [
    table.value(column),
    parent.value(link.parentColumns[i] ?? ''),
  ])
  const differ = columns.map(([own, its]) => run.dialect.differs(`b.${own}`, `q.${its}`))
  await run.change(
    `UPDATE ${table.name} AS b SET ${columns.map(([own, its]) => `${own} = q.${its}`).join(', ')}
     FROM ${parent.name} AS q
     WHERE q.n = b.${table.pointer(link)} AND q.s <> ${STATE.skipped} AND ${condition} AND (${differ.join(' OR ')})`,
  )
}

async function match(run: MergeRun, table: WorkTable): Promise<void> {
  const { key, kept, target } = table.plan
  const ids = kept.filter(column => !key.includes(column))
  const differ = ids.map(column => run.dialect.differs(`b.${table.value(column)}`, `t.${table.quoted(column)}`))
  const moved = differ.length === 0 ? '0' : `CASE WHEN ${differ.join(' OR ')} THEN 1 ELSE 0 END`
  const values = kept.map(column => `${table.value(column)} = t.${table.quoted(column)}`)
  for (const join of await run.keyJoins(table, `b.s = ${STATE.ready}`)) {
    await run.change(
      `UPDATE ${table.name} AS b SET s = ${STATE.matched}, x = ${moved}, ${values.join(', ')}
       FROM ${target.scan} AS t WHERE b.s = ${STATE.ready} AND ${join}`,
    )
  }
}

/** New rows whose number another row has get the next free ones, in the order of their keys. */
async function numberAnew(run: MergeRun, table: WorkTable): Promise<void> {
  const column = table.plan.numbered
  if (!column) return
  const id = table.value(column.name)
  const quoted = table.quoted(column.name)
  const { scan } = table.plan.target
  const taken = `b.s = ${STATE.fresh} AND (b.${id} IS NULL OR EXISTS (SELECT 1 FROM ${scan} AS t WHERE t.${quoted} = b.${id}))`
  const count = await run.count(table, taken)
  if (count === 0) return
  const highest = await run.place.rows(
    `SELECT max(m) FROM (SELECT max(CAST(${quoted} AS bigint)) AS m FROM ${scan}
     UNION ALL SELECT max(CAST(${id} AS bigint)) FROM ${table.name}) AS either`,
  )
  const last = [BigInt(highest[0]?.[0] ?? 0), await run.place.highestNumber(table.plan.target, column.name)]
  const base = last.reduce((a, b) => (a > b ? a : b))
  if (base + BigInt(count) > (column.numberedUpTo ?? 0n)) throw noNumberLeft(table, column.name)
  await run.change(
    `UPDATE ${table.name} AS b SET x = 1, ${id} = ${base} + r.k
     FROM (SELECT b.n, row_number() OVER (ORDER BY b.n) AS k FROM ${table.name} AS b WHERE ${taken}) AS r WHERE b.n = r.n`,
  )
}

function noNumberLeft(table: WorkTable, column: string): AppError {
  return new AppError(
    'target-invalid',
    `cannot merge table ${table.plan.name}: no number is left for column ${column}`,
    {
      hint: `Leave the table out with "skip: true" in restore.merge.tables.${table.plan.name}: its type holds no greater number. Nothing was changed.`,
    },
  )
}
