import { AppError, isAppError } from '../../base/errors.ts'
import type { Link, MergePlan } from '../../model/merge-plan.ts'
import { MERGE_REASONS, type MergeReason } from '../../model/merge-report.ts'
import type { TableDescription } from '../../model/table-description.ts'
import type { Dialect, MergingPlace } from '../../sources/source.ts'
import { STATE, WorkTable } from './work-table.ts'

export type Group = readonly WorkTable[]

/** What all steps of one merge share. */
export class MergeRun {
  readonly place: MergingPlace
  readonly plan: MergePlan
  readonly groups: readonly Group[]
  readonly tables: readonly WorkTable[]
  readonly #byName: ReadonlyMap<string, WorkTable>
  readonly #targets: ReadonlyMap<string, TableDescription>

  constructor(place: MergingPlace, plan: MergePlan) {
    this.place = place
    this.plan = plan
    let index = 0
    this.groups = plan.groups.map(group => group.map(table => new WorkTable(table, ++index, place.dialect)))
    this.tables = this.groups.flat()
    this.#byName = new Map(this.tables.map(table => [table.plan.name, table]))
    this.#targets = new Map(place.tables.target.map(table => [table.name, table]))
  }

  get dialect(): Dialect {
    return this.place.dialect
  }

  /** The work table of a link's parent, for links that are followed. */
  parentOf(link: Link): WorkTable {
    const found = this.#byName.get(link.parent)
    if (!found) throw new Error(`no work table for ${link.parent}`)
    return found
  }

  /** A table of the target's, merged or not; undefined for one that is of no kind that we describe. */
  targetOf(name: string): TableDescription | undefined {
    return this.#targets.get(name)
  }

  async change(sql: string): Promise<number> {
    return await this.place.change(sql)
  }

  /** Takes new rows out of the merge. `b` stands for the row in the condition. */
  async skip(table: WorkTable, why: MergeReason, condition: string): Promise<number> {
    return await this.change(
      `UPDATE ${table.name} AS b SET s = ${STATE.skipped}, w = ${reasonNumber(why)} WHERE b.s = ${STATE.new} AND (${condition})`,
    )
  }

  async count(table: WorkTable, condition: string): Promise<number> {
    const [row] = await this.place.rows(`SELECT count(*) FROM ${table.name} AS b WHERE ${condition}`)
    return Number(row?.[0] ?? 0)
  }

  /** Some row of the work table meets the condition; cheaper than counting them. */
  async any(table: WorkTable, condition: string): Promise<boolean> {
    const rows = await this.place.rows(`SELECT 1 FROM ${table.name} AS b WHERE ${condition} LIMIT 1`)
    return rows.length > 0
  }

  /**
   * Conditions that join rows `b` of the work table with their rows `t` of the target, to be used one after the other. One
   * for each combination of NULLs in the key: databases join fast by `=` alone.
   */
  async keyJoins(table: WorkTable, condition: string): Promise<string[]> {
    const { key, target } = table.plan
    const nullable = key.filter(name => target.columns.find(column => column.name === name)?.nullable !== false)
    const pair = (name: string): string => `b.${table.value(name)} = t.${table.quoted(name)}`
    if (nullable.length === 0) return [key.map(pair).join(' AND ')]
    const flags = nullable.map(name => `CASE WHEN b.${table.value(name)} IS NULL THEN 1 ELSE 0 END`)
    const patterns = await this.place.rows(
      `SELECT DISTINCT ${flags.join(', ')} FROM ${table.name} AS b WHERE ${condition}`,
    )
    return patterns.map(pattern =>
      key
        .map(name => {
          const isNull = nullable.includes(name) && pattern[nullable.indexOf(name)] === '1'
          return isNull ? `b.${table.value(name)} IS NULL AND t.${table.quoted(name)} IS NULL` : pair(name)
        })
        .join(' AND '),
    )
  }
}

export function reasonNumber(why: MergeReason): number {
  return MERGE_REASONS.indexOf(why) + 1
}

/** Says which table it was about, and that nothing has changed. */
export async function about<T>(table: WorkTable, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isAppError(error) || error.code === 'interrupted') throw error
    throw new AppError('target-invalid', `cannot ${doing} table ${table.plan.name}: ${error.message}`, {
      hint: `Add a rule for the table, or leave it out, in restore.merge.tables.${table.plan.name}. Nothing was changed.`,
      context: { ...error.context, table: table.plan.name },
      cause: error,
    })
  }
}
