import { AppError, throwIfAborted } from '../../base/errors.ts'
import { type MergePlan, planMerge } from '../../model/merge-plan.ts'
import type { MergedTable, MergeReport, UnmergedTable } from '../../model/merge-report.ts'
import type { MergeRules } from '../../model/merge-rules.ts'
import type { TableDescription } from '../../model/table-description.ts'
import type {
  Change,
  ChangedTables,
  Held,
  Merging,
  MergingPlace,
  SnapshotReader,
  Source,
  SourceContext,
} from '../../sources/source.ts'
import { followLinks, identify, rewriteLinks } from './identities.ts'
import { insertRows } from './inserts.ts'
import { checkKeys, checkTargetKeys } from './key-checks.ts'
import { type Group, MergeRun } from './merge-run.ts'
import { checkParents } from './parents.ts'
import { tally } from './tally.ts'
import { acceptNewRows } from './uniqueness.ts'
import { decideUpdates, writeLaterUpdates, writeUpdates } from './updates.ts'
import { STATE, UPDATE } from './work-table.ts'

export interface MergeRequest extends SourceContext {
  /** What is merged; of the source's kind. */
  readonly snapshot: SnapshotReader
  readonly source: Source
  /** Absolute path or URL of an existing database; undefined: the source itself. */
  readonly target?: string | undefined
  /** Of a snapshot of several databases: the one to merge. */
  readonly database?: string | undefined
  readonly rules: MergeRules
  /** Do all of it in a transaction that is rolled back. */
  readonly dryRun: boolean
  /**
   * Called once, when all that can be checked beforehand has been, and before the target is locked or changed: time to stop
   * the application and to save what is there. What it throws ends the merge. Not called by a dry run.
   */
  readonly beforeChange?: ((change: Change) => Promise<void>) | undefined
  readonly onProgress?: ((progress: MergeProgress) => void) | undefined
}

export interface MergeProgress {
  readonly phase: 'reading' | 'merging'
  /** The table that is being worked on. */
  readonly table: string
  /** How many tables are done, of how many. */
  readonly done: number
  readonly tables: number
}

export interface MergeResult extends MergeReport {
  readonly durationMs: number
  /** What it wrote, and nothing else; undefined where triggers of the application may have written more. */
  readonly wrote: WrittenByMerge | undefined
}

export interface WrittenByMerge extends ChangedTables {
  /** By the names in `changed`: how many rows came. */
  readonly added: Readonly<Record<string, number>>
}

/**
 * Adds to a living database what only the backup has, by rules; all of it or, when anything fails, nothing. Throws
 * `config-invalid` for rules that can't be meant, `target-invalid` for keys that are not unique or rows that the target
 * refuses, and what `Merging.open` throws.
 */
export async function merge(request: MergeRequest): Promise<MergeResult> {
  const startedMs = request.clock.monotonicMs()
  const merging = mergingOf(request.source)
  const { snapshot, target, database, clock, logger, signal, scratchDir } = request
  const place = await merging.open({ snapshot, target, database, clock, logger, signal, scratchDir })
  try {
    const plan = planMerge(request.rules, place.tables.target, place.tables.backup)
    const report = await mergeInto(place, plan, request)
    return { ...report, durationMs: Math.round(clock.monotonicMs() - startedMs) }
  } finally {
    await place.close()
  }
}

/** Throws `unsupported` for a source that has no rows. */
export function mergingOf({ kind, merging }: Source): Merging {
  if (merging) return merging
  throw new AppError('unsupported', `a source of kind ${kind} cannot be merged`, {
    hint: 'Use --strategy replace. Only databases are merged, not folders or whole clusters.',
  })
}

async function mergeInto(
  place: MergingPlace,
  plan: MergePlan,
  request: MergeRequest,
): Promise<Omit<MergeResult, 'durationMs'>> {
  const run = new MergeRun(place, plan)
  await readBackup(run, request)
  await checkKeys(run)
  await followLinks(run)
  const left = await countLeft(place, plan)
  throwIfAborted(request.signal)
  await begin(run, request)
  try {
    await checkTargetKeys(run)
    const tables = await mergeGroups(run, request)
    const changed = tables.some(table => table.added + table.updated > 0)
    throwIfAborted(request.signal)
    const outdated = await finish(run, request, tables)
    const allLeft = [...left, ...(place.tables.unmerged ?? []), ...outdated]
    return {
      target: place.target,
      dryRun: request.dryRun,
      changed,
      tables,
      left: allLeft,
      differences: plan.differences,
      wrote: plan.triggers ? undefined : writtenBy(run, tables),
    }
  } catch (error) {
    await place.rollback().catch(() => {})
    throw error
  }
}

function writtenBy({ place, tables: all }: MergeRun, merged: readonly MergedTable[]): WrittenByMerge {
  const written = merged.filter(({ added, updated }) => added + updated > 0)
  const counts = new Map(written.map(({ table, added }) => [table, added]))
  const added = all.flatMap(({ plan: { name, target } }): Array<[string, number]> => {
    const count = counts.get(name)
    return count === undefined ? [] : [[place.selector(target), count]]
  })
  return { changed: added.map(([name]) => name), created: [], added: Object.fromEntries(added) }
}

/** What is made safe must be the very last state: where a held database can still be captured, it is held before. */
async function begin({ place, plan, tables: all }: MergeRun, { dryRun, beforeChange }: MergeRequest): Promise<void> {
  const targets = all.map(table => table.plan.target)
  let begun = false
  const hold = async (): Promise<Held> => {
    begun = true
    return { token: await place.begin(targets) }
  }
  if (!dryRun) {
    // What the application's triggers write to, nobody knows.
    const tables = plan.triggers ? undefined : { changed: targets.map(table => place.selector(table)), created: [] }
    const change: Change = { places: [place.target], tables }
    await beforeChange?.(place.readableWhileHeld ? { ...change, hold } : change)
  }
  if (!begun) await hold()
}

async function readBackup(run: MergeRun, request: MergeRequest): Promise<void> {
  for (const [done, table] of run.tables.entries()) {
    throwIfAborted(request.signal)
    request.onProgress?.({ phase: 'reading', table: table.plan.name, done, tables: run.tables.length })
    await table.fill(run.place)
  }
  for (const sql of run.dialect.analyzeAll ?? []) await run.change(sql)
}

async function countLeft(place: MergingPlace, plan: MergePlan): Promise<MergeReport['left']> {
  const left: Array<MergeReport['left'][number]> = []
  const backups = new Map(place.tables.backup.map(table => [table.name, table]))
  for (const each of plan.left) {
    const backup = backups.get(each.table)
    left.push({ ...each, rows: backup === undefined ? undefined : await place.countBackupRows(backup) })
  }
  return left
}

async function mergeGroups(run: MergeRun, request: MergeRequest): Promise<MergedTable[]> {
  const tables: MergedTable[] = []
  for (const group of run.groups) {
    throwIfAborted(request.signal)
    const [first] = group
    const [done, all] = [tables.length, run.tables.length]
    request.onProgress?.({ phase: 'merging', table: first?.plan.name ?? '', done, tables: all })
    const different = await mergeGroup(run, group)
    for (const table of group) tables.push(await tally(run, table, different.get(table.plan.name) ?? 0))
  }
  return tables
}

/** Tables that refer to one another; their parents outside of the group are done. */
async function mergeGroup(run: MergeRun, group: Group): Promise<Map<string, number>> {
  await identify(run, group)
  await rewriteLinks(run, group)
  await checkParents(run, group)
  const different = await decideUpdates(run, group)
  await silenceTriggers(run, group)
  await writeUpdates(run, group)
  await acceptNewRows(run, group)
  await insertRows(run, group)
  await writeLaterUpdates(run, group)
  return different
}

/** Only where something will be written: even this is a change of the target. */
async function silenceTriggers(run: MergeRun, group: Group): Promise<void> {
  if (run.plan.triggers) return
  for (const table of group.filter(each => each.plan.target.triggers.length > 0)) {
    const writes = await run.any(table, `b.s = ${STATE.new} OR b.u = ${UPDATE.wanted}`)
    if (writes) await run.place.silenceTriggers(table.plan.target)
  }
}

/** The search indexes that may not agree with their tables now. */
async function finish(
  run: MergeRun,
  request: MergeRequest,
  tables: readonly MergedTable[],
): Promise<readonly UnmergedTable[]> {
  const written = new Map(tables.map(table => [table.table, table]))
  const where = (wrote: (table: MergedTable) => boolean): TableDescription[] =>
    run.tables.flatMap(({ plan }) => {
      const table = written.get(plan.name)
      return table !== undefined && wrote(table) ? [plan.target] : []
    })
  const changed = where(table => table.added + table.updated > 0)
  const outdated = changed.length === 0 ? [] : ((await run.place.renewIndexes?.(changed)) ?? [])
  await run.place.checkReferences()
  if (request.dryRun) await run.place.rollback()
  else {
    await run.place.advanceNumbers(where(table => table.added > 0))
    await run.place.commit()
  }
  return outdated.map(table => ({ table, why: 'index-outdated', rows: undefined }))
}
