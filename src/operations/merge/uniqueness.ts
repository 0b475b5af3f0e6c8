import { type Group, type MergeRun, reasonNumber } from './merge-run.ts'
import { parentState, skipOrphans } from './parents.ts'
import { allPresent, equal, STATE, type WorkTable } from './work-table.ts'

/**
 * Decides which new rows are added: not those with a value that must be unique and that a row of the target has, or a row
 * that was accepted before. Decisions are never taken back, and each rests on a row that stays: so the next merge of the
 * same backup decides alike.
 */
export async function acceptNewRows(run: MergeRun, group: Group): Promise<void> {
  for (const table of group) {
    for (const set of table.plan.others) {
      const columns = set.map((name): [string, string] => [`t.${table.quoted(name)}`, `b.${table.value(name)}`])
      const taken = `EXISTS (SELECT 1 FROM ${table.plan.target.scan} AS t WHERE ${equal(columns)})`
      await run.skip(table, 'unique-value-taken', taken)
    }
  }
  await skipOrphans(run, group)
  if (await anyRivals(run, group)) await contest(run, group)
  else for (const table of group) await move(run, table, STATE.new, STATE.accepted)
}

async function anyRivals(run: MergeRun, group: Group): Promise<boolean> {
  for (const table of group) {
    for (const set of table.plan.others) {
      const values = set.map(name => `b.${table.value(name)}`)
      const condition = `b.s = ${STATE.new} AND ${allPresent(values)} GROUP BY ${values.join(', ')} HAVING count(*) > 1`
      if (await run.any(table, condition)) return true
    }
  }
  return false
}

/** Among rows of the backup that want the same value the first by key gets it, once its parents are accepted. */
async function contest(run: MergeRun, group: Group): Promise<void> {
  for (;;) {
    let decided = 0
    for (const table of group) decided += await skipBeaten(run, table)
    await skipOrphans(run, group)
    for (const table of group) decided += await acceptUnrivalled(run, table)
    if (decided > 0) continue
    if (!(await anyOpen(run, group))) return
    if ((await acceptCircles(run, group)) > 0) continue
    const why = reasonNumber('unique-value-taken')
    for (const table of group) {
      await run.change(`UPDATE ${table.name} SET s = ${STATE.skipped}, w = ${why} WHERE s = ${STATE.new}`)
    }
    return
  }
}

async function skipBeaten(run: MergeRun, table: WorkTable): Promise<number> {
  let skipped = 0
  for (const set of table.plan.others) {
    skipped += await run.skip(table, 'unique-value-taken', rival(table, set, `r.s = ${STATE.accepted}`))
  }
  return skipped
}

/** Another row `r` of the backup has the same values as `b`. */
export function rival(table: WorkTable, set: readonly string[], condition: string): string {
  const columns = set.map((name): [string, string] => [`r.${table.value(name)}`, `b.${table.value(name)}`])
  return `EXISTS (SELECT 1 FROM ${table.name} AS r WHERE ${equal(columns)} AND ${condition})`
}

function unrivalled(table: WorkTable): string {
  const earlier = `r.s = ${STATE.new} AND r.n < b.n`
  return ['1 = 1', ...table.plan.others.map(set => `NOT ${rival(table, set, earlier)}`)].join(' AND ')
}

async function acceptUnrivalled(run: MergeRun, table: WorkTable): Promise<number> {
  const parents = table.plan.links
    .filter(link => link.within)
    .map(link => `AND NOT ${parentState(run, table, link, [STATE.new])}`)
  return await run.change(
    `UPDATE ${table.name} AS b SET s = ${STATE.accepted}
     WHERE b.s = ${STATE.new} AND ${unrivalled(table)} ${parents.join(' ')}`,
  )
}

async function anyOpen(run: MergeRun, group: Group): Promise<boolean> {
  for (const table of group) if (await run.any(table, `b.s = ${STATE.new}`)) return true
  return false
}

/** Rows that wait for one another because they refer to one another: all at once, if none of them has a rival. */
async function acceptCircles(run: MergeRun, group: Group): Promise<number> {
  for (const table of group) {
    await run.change(
      `UPDATE ${table.name} AS b SET s = ${STATE.ready} WHERE b.s = ${STATE.new} AND ${unrivalled(table)}`,
    )
  }
  for (let dropped = 1; dropped > 0; ) {
    dropped = 0
    for (const table of group) {
      for (const link of table.plan.links.filter(each => each.within)) {
        dropped += await run.change(
          `UPDATE ${table.name} AS b SET s = ${STATE.new}
           WHERE b.s = ${STATE.ready} AND ${parentState(run, table, link, [STATE.new])}`,
        )
      }
    }
  }
  let accepted = 0
  for (const table of group) accepted += await move(run, table, STATE.ready, STATE.accepted)
  return accepted
}

async function move(run: MergeRun, table: WorkTable, from: number, to: number): Promise<number> {
  return await run.change(`UPDATE ${table.name} SET s = ${to} WHERE s = ${from}`)
}
