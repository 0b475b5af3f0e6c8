import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { Kept, Written } from '../../sources/source.ts'
import { keepReportOf } from '../report/keep.ts'
import type { JournalEntry } from '../restore/journal.ts'
import { restorePlacesOf } from '../restore/restore-places.ts'
import { settleCommand, undoCommand } from '../restore/typed-commands.ts'
import { type Caller, lookAround, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { describeWritten } from './describe-written.ts'
import { discard, findUndoable, requireWayBack, shortRun, type UndoResult, undo } from './undo.ts'
import { findWaysBack, type WayBack } from './ways-back.ts'
import { findWritten } from './written.ts'

/** What an undo would take back: plain data. */
export interface UndoPlan {
  /** The restore. */
  readonly entry: JournalEntry
  /** What was written to its target since, and goes with it; undefined where that can't be told. */
  readonly written: readonly Written[] | undefined
}

export interface Undone {
  readonly plan: UndoPlan
  readonly result: UndoResult
  readonly durationMs: number
  readonly report: Report
}

/**
 * The restore that is meant (by the beginning of its run's id, else the last one), and what would go with it. Changes
 * nothing. Throws `not-found`, `ambiguous-id`, `unsupported`, `target-in-use` while another one there is interrupted.
 */
export async function planUndo(workspace: Workspace, run: string | undefined, caller: Caller): Promise<UndoPlan> {
  const entry = await findSettled(workspace, run)
  return await lookAround(workspace, caller, async looking => {
    const places = restorePlacesOf(workspace, looking)
    await requireWayBack(places, entry)
    return { entry, written: await findWritten(places, entry) }
  })
}

/** The restore that is meant, where nothing that was interrupted stands in the way. */
async function findSettled({ journal }: Workspace, run: string | undefined): Promise<JournalEntry> {
  const open = await journal.listInterrupted()
  // "The last one" is not the one before an interrupted one.
  if (run === undefined) requireSettled(open)
  const entry = findUndoable(await journal.list(), run)
  requireSettled(open.filter(each => each.target === entry.target))
  return entry
}

function requireSettled([open]: readonly JournalEntry[]): void {
  if (open === undefined) return
  throw new AppError('target-in-use', `run ${shortRun(open)} was interrupted, and is neither finished nor taken back`, {
    hint: `Its target is ${open.target}. First finish it or take it back with: ${settleCommand(open)}`,
  })
}

/** Takes back what the restore of a plan changed, and nothing else. Throws as `planUndo` does, where things have changed. */
export async function undoRestore(workspace: Workspace, plan: UndoPlan, caller: Caller): Promise<Undone> {
  const { clock } = workspace
  const entry = await findSettled(workspace, plan.entry.run)
  return await runRecorded(workspace, caller, { operation: 'undo' }, async run => {
    const startedAt = clock.now()
    const label = `undo at ${entry.target}`
    run.tell({ kind: 'progress', progress: { label, done: 0, total: undefined, unit: 'bytes' } })
    const places = restorePlacesOf(workspace, run)
    const result = await run.attempt(
      { operation: 'undo', source: entry.source, repository: entry.repository },
      () => undo({ places, run: run.id, entry }),
      ({ safety, findings }) => ({ outcome: 'done', snapshot: safety, statistics: {}, findings }),
    )
    const durationMs = clock.now().getTime() - startedAt.getTime()
    const report = undoReport(result, plan.written, startedAt, durationMs)
    await keepReportOf(workspace, run, report)
    return { plan, result, durationMs, report }
  })
}

/** Removes what a restore kept beside, for its space; it can't be undone then, unless a safety recovery point remains. */
export async function discardKept(
  workspace: Workspace,
  plan: Pick<UndoPlan, 'entry'>,
  caller: Caller,
): Promise<readonly Kept[]> {
  const entry = await findSettled(workspace, plan.entry.run)
  return await runRecorded(workspace, caller, { operation: 'discard' }, async run =>
    discard(restorePlacesOf(workspace, run), entry),
  )
}

/** The restore whose kept copy would be removed. Throws as `planUndo` does. */
export async function planDiscard(workspace: Workspace, run: string | undefined): Promise<Pick<UndoPlan, 'entry'>> {
  return { entry: await findSettled(workspace, run) }
}

export interface ListedRestore {
  readonly entry: JournalEntry
  readonly way: WayBack | undefined
}

/** What was restored from here, oldest first, and whether it can be undone: as things are, not as they were. */
export async function listRestores(workspace: Workspace, caller: Caller): Promise<readonly ListedRestore[]> {
  const entries = await workspace.journal.list()
  return await lookAround(workspace, caller, async run => {
    const ways = await findWaysBack(restorePlacesOf(workspace, run), entries)
    return entries.map(entry => ({ entry, way: ways.get(entry.run) }))
  })
}

function undoReport(result: UndoResult, written: UndoPlan['written'], startedAt: Date, durationMs: number): Report {
  const { undone, target } = result
  return {
    title: `undo of the restore ${shortRun(undone)}`,
    outcome: 'done',
    verdict: `${target} is as it was before ${formatTime(new Date(undone.startedAt))}`,
    run: result.run,
    about: {
      operation: 'undo',
      source: undone.source,
      repository: undone.repository,
      snapshot: result.safety ?? undone.snapshot,
    },
    startedAt,
    durationMs,
    facts: [
      { name: 'source', value: undone.source },
      { name: 'target', value: target },
      ...(written?.length ? [{ name: 'went with it', value: describeWritten(written) }] : []),
      { name: 'taken from', value: result.from === 'kept' ? 'kept beside' : `snapshot ${result.safety ?? ''}` },
    ],
    steps: result.steps,
    checks: [],
    tables: [],
    findings: result.findings,
    next: [{ command: undoCommand(result.entry), explains: 'takes this back' }],
  }
}
