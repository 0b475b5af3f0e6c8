import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { suggest } from '../../base/suggest.ts'
import { isPart } from '../../model/manifest.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import { type ComparedTable, namesTable } from '../../model/row-comparison.ts'
import type { ComparedSide, Comparing, Source } from '../../sources/source.ts'
import { tablesOf } from '../restore/account.ts'
import { openSnapshotReader } from '../restore/snapshot-reader.ts'
import { type Choice, type ChosenSnapshot, chooseSnapshot } from '../snapshots/choose-snapshot.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { type Caller, lookAround, type Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { hideMasked } from './hide-masked.ts'

/** Which rows to compare. All of it is plain data. `now`: what is live. */
export interface RowDiffWish {
  readonly before: Choice | 'now'
  readonly after: Choice | 'now'
  /** Only these tables: `users`, `public.users`. Default: all. */
  readonly tables?: readonly string[] | undefined
  /** List rows that differ: at most so many of each table and kind of change. */
  readonly listRows?: number | undefined
}

export interface RowDiff {
  readonly source: string
  readonly before: ChosenSnapshot | 'now'
  readonly after: ChosenSnapshot | 'now'
  readonly tables: readonly ComparedTable[]
  /** Values of what is listed are hidden, as the source says of its test copies. */
  readonly masked: boolean
}

/**
 * Counts, table by table, the rows that only one of two moments has, and those that changed. Changes nothing. Throws
 * `unsupported` for sources that have no rows to compare, `not-found` for a table that neither has.
 */
export async function compareRows(workspace: Workspace, wish: RowDiffWish, caller: Caller): Promise<RowDiff> {
  return await lookAround(workspace, caller, async run => {
    const choose = async (point: Choice | 'now'): Promise<ChosenSnapshot | 'now'> =>
      point === 'now'
        ? point
        : await chooseSnapshot(workspace, point, finding => run.tell({ kind: 'finding', finding }))
    const [before, after] = [await choose(wish.before), await choose(wish.after)]
    const source = await sourceOfBoth(workspace, run, before, after)
    const { tables: wanted = [], listRows } = wish
    const selects = (table: string): boolean => wanted.length === 0 || wanted.some(name => namesTable(name, table))
    const tables = await comparingOf(source).compare({
      ...run,
      before: await sideOf(before, run),
      after: await sideOf(after, run),
      selects,
      listRows,
      onTable: table => run.tell({ kind: 'progress', progress: progressOf(table) }),
    })
    await requireAll(wanted, tables, [before, after], run)
    const file = workspace.settings.sources.get(source.name)?.restore?.mask
    if (file === undefined || listRows === undefined)
      return { source: source.name, before, after, tables, masked: false }
    const mask = await workspace.loadMask(file)
    return { source: source.name, before, after, tables: hideMasked(tables, mask), masked: true }
  })
}

/** Are they of databases, with rows that can be compared? */
export async function haveRows(
  workspace: Workspace,
  chosen: readonly ChosenSnapshot[],
  caller: Caller,
): Promise<boolean> {
  return await lookAround(workspace, caller, async run => {
    for (const { contents, snapshot } of chosen) {
      const source = await sourceOfSnapshot(workspace, run, snapshot, join(run.scratchDir, 'copy.db'))
      const { manifest } = await openSnapshotReader({ contents, snapshot, signal: run.signal })
      const isWhole = manifest !== undefined && !isPart(manifest.type) && tablesOf(manifest).length > 0
      if (source.comparing === undefined || !isWhole) return false
    }
    return true
  })
}

/** Throws `unsupported` for a source without rows. */
export function comparingOf({ name, kind, comparing }: Source): Comparing {
  if (comparing !== undefined) return comparing
  throw new AppError('unsupported', `source ${name} is of a kind, ${kind}, whose rows cannot be compared`, {
    hint: `Compare the files of two snapshots: lifeboat diff BEFORE AFTER. Rows are those of SQLite, and of PostgreSQL with mode: logical.`,
  })
}

/** Of one kind, and configured where what is live is meant. */
async function sourceOfBoth(
  workspace: Workspace,
  run: Run,
  before: ChosenSnapshot | 'now',
  after: ChosenSnapshot | 'now',
): Promise<Source> {
  const chosen = [before, after].filter(point => point !== 'now')
  const [first, second] = chosen
  if (first === undefined) {
    throw new AppError('usage', 'now is compared with now', {
      hint: 'Name a recovery point: lifeboat diff SOURCE latest now',
    })
  }
  const [labels, others] = [labelsOf(first.snapshot.tags), labelsOf((second ?? first).snapshot.tags)]
  if (labels.kind !== others.kind) {
    throw new AppError('usage', `the two are of different kinds, ${labels.kind} and ${others.kind}`, {
      hint: 'Compare two recovery points of one source.',
    })
  }
  const name = labels.source ?? ''
  if (second === undefined && workspace.settings.sources.get(name)?.kind !== labels.kind) {
    throw new AppError(
      'usage',
      `source ${name || 'of the snapshot'} is not in the configuration, so what is live is not known`,
      {
        hint: 'Compare two recovery points, or add the source to lifeboat.yaml.',
      },
    )
  }
  return await sourceOfSnapshot(workspace, run, first.snapshot, join(run.scratchDir, 'copy.db'))
}

async function sideOf(point: ChosenSnapshot | 'now', { signal }: Run): Promise<ComparedSide> {
  if (point === 'now') return { target: undefined }
  return { snapshot: await openSnapshotReader({ ...point, signal }) }
}

async function requireAll(
  wanted: readonly string[],
  found: readonly ComparedTable[],
  points: ReadonlyArray<ChosenSnapshot | 'now'>,
  { signal }: Run,
): Promise<void> {
  const missing = wanted.find(name => !found.some(({ table }) => namesTable(name, table)))
  if (missing === undefined) return
  const captured = points.find(point => point !== 'now')
  const manifest = captured && (await openSnapshotReader({ ...captured, signal })).manifest
  const meant = suggest(
    missing,
    tablesOf(manifest).map(({ name }) => name),
  )
  throw new AppError('not-found', `there is no table ${missing} on either side`, {
    hint: meant === undefined ? 'Leave --table out to see all tables.' : `Did you mean ${meant}?`,
  })
}

function progressOf(table: string) {
  return { label: `compare ${table}`, done: 0, total: undefined, unit: 'items' as const }
}
