import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { ReportStep } from '../../model/report.ts'
import type { Kept, Source } from '../../sources/source.ts'
import { type Guarded, guard } from '../restore/guard.ts'
import { changedNothing, type JournalEntry } from '../restore/journal.ts'
import {
  canSwap,
  changesOfFiles,
  filesBackRequest,
  type RestorePlaces,
  removedIn,
  restoreSafetyAt,
  tablesBackRequest,
  takeSafetyAt,
} from '../restore/places.ts'
import { URL_FORM } from '../restore/reserved.ts'
import { type RestoreOperationRequest, restore } from '../restore/restore.ts'
import { markUndone } from '../restore/settle.ts'
import { swapAccessOf } from '../restore/swapping.ts'
import { undoCommand } from '../restore/typed-commands.ts'
import { findWaysBack, undoneSentence } from './ways-back.ts'

export interface UndoRequest {
  readonly places: RestorePlaces
  /** Id of the undo itself. */
  readonly run: string
  /** The restore to take back, from `findUndoable`. */
  readonly entry: JournalEntry
  readonly onStep?: ((name: string) => void) | undefined
}

export interface UndoResult {
  readonly run: string
  readonly undone: JournalEntry
  readonly target: string
  /** Where what was there came from: kept beside, or a safety recovery point (its id). */
  readonly from: 'kept' | 'safety-point'
  readonly safety: string | undefined
  readonly entry: JournalEntry
  readonly steps: readonly ReportStep[]
  readonly findings: readonly Finding[]
}

/**
 * The restore that is meant: by the beginning of its run's id, else the last one that was not taken back yet. Throws
 * `not-found`, `ambiguous-id`, or `unsupported` with what to do where there is nothing to put back.
 */
export function findUndoable(entries: readonly JournalEntry[], run: string | undefined): JournalEntry {
  const done = entries.filter(each => each.phase === 'done')
  const found = run === undefined ? lastOf(done) : byRun(done, run)
  if (found.undoneBy !== undefined) throw undoneAlready(found, found.undoneBy, entries)
  if (!hasWayBack(found)) throw nothingToPutBack(found)
  return found
}

/** Is there anything by which it could be taken back? */
export function hasWayBack(entry: JournalEntry): boolean {
  if (changedNothing(entry)) return false
  const { kept, safety, tables } = entry
  return kept.length > 0 || safety !== undefined || (tables !== undefined && tables.changed.length === 0)
}

/** What a person who undoes a second time needs to know: what, when, by which run, and how to go back. */
function undoneAlready(found: JournalEntry, by: string, entries: readonly JournalEntry[]): AppError {
  const what = `${found.operation} ${shortRun(found)} of ${found.source} (into ${found.target}, ${formatTime(new Date(found.startedAt))})`
  return new AppError('not-found', `${what} was undone already: ${undoneSentence(by, entries)}`, {
    hint: `Take that one back with: ${undoCommand({ run: by, repository: found.repository })}`,
    context: { run: found.run, undoneBy: by },
  })
}

function lastOf(done: readonly JournalEntry[]): JournalEntry {
  const restores = done.filter(each => each.operation === 'restore')
  const last = restores.findLast(each => each.undoneBy === undefined)
  if (last !== undefined) return last
  const undone = restores.at(-1)
  if (undone?.undoneBy !== undefined) throw undoneAlready(undone, undone.undoneBy, done)
  throw new AppError('not-found', 'there is no restore to undo', {
    hint: 'Run "lifeboat undo --list" to see what was restored from here.',
  })
}

function byRun(done: readonly JournalEntry[], run: string): JournalEntry {
  // A variable that was not set must not mean the only one there is.
  if (run === '')
    throw new AppError('usage', 'the id of the restore is empty', { hint: 'Leave it out for the last one.' })
  const found = done.filter(each => each.run.startsWith(run.toLowerCase()))
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  const hint = 'Run "lifeboat undo --list" to see what can be undone.'
  if (found.length > 1) throw new AppError('ambiguous-id', `${found.length} runs begin with ${run}`, { hint })
  throw new AppError('not-found', `there is no finished restore ${run}`, { hint })
}

function nothingToPutBack(entry: JournalEntry): AppError {
  if (changedNothing(entry)) {
    return new AppError('unsupported', `restore ${shortRun(entry)} changed nothing at ${entry.target}`, {
      hint: 'For an earlier one, run "lifeboat undo --list", then "lifeboat undo RUN".',
    })
  }
  if (entry.existed) {
    return new AppError('not-found', `what restore ${shortRun(entry)} kept of ${entry.target} is gone`, {
      hint: 'It was discarded, or put back. Run "lifeboat snapshots" and restore a recovery point instead.',
    })
  }
  return new AppError('unsupported', `there was nothing at ${entry.target} before restore ${shortRun(entry)}`, {
    hint: 'To be rid of what was restored, remove it yourself.',
  })
}

/**
 * Removes what the restore kept beside, to be rid of the space it takes. It can't be undone then, unless a safety recovery
 * point remains. Throws `not-found` when nothing is kept.
 */
export async function discard(places: RestorePlaces, entry: JournalEntry): Promise<readonly Kept[]> {
  if (entry.kept.length === 0) {
    throw new AppError('not-found', `nothing is kept beside by run ${shortRun(entry)}`, {
      hint: 'Safety recovery points are snapshots: "lifeboat forget" and "lifeboat prune" remove those.',
    })
  }
  const { source: name, kind, target, keepAs: keptAs, places: may } = entry
  const source = await places.openSourceAt(name, kind, target)
  await swapAccessOf(source).dropKept({ ...(await places.context()), target, keptAs, places: may })
  await places.journal.update(entry, { kept: [] })
  return entry.kept
}

/** Throws `not-found` when what the undo needs is not there any more. */
export async function requireWayBack(places: RestorePlaces, entry: JournalEntry): Promise<void> {
  const way = (await findWaysBack(places, [entry])).get(entry.run)
  if (way === undefined || way.open) return
  throw new AppError('not-found', `${entry.operation} ${shortRun(entry)} cannot be undone: ${way.why}`, {
    hint: `Run "lifeboat snapshots ${entry.source}", and restore the recovery point that you want instead.`,
  })
}

export function shortRun({ run }: JournalEntry): string {
  return run.slice(0, 8)
}

/**
 * Takes back what the restore changed, and nothing else. What is there now is made safe first, so that the undoing can be
 * undone.
 */
export async function undo({ places, run, entry: undone, onStep }: UndoRequest): Promise<UndoResult> {
  const { source: name, kind, target } = undone
  await requireFolder(undone)
  const source = await places.openSourceAt(name, kind, target)
  const from = undone.kept.length > 0 ? 'kept' : 'safety-point'
  const files = from === 'kept' ? undefined : filesOf(undone)
  const isPart = undone.tables !== undefined || files !== undefined
  const swaps = !isPart && (await canSwap(places, source, target))
  // A repository may have come there since.
  if (from === 'kept' && !swaps) throw ownsMovedIn(undone)
  const { repository, snapshot } = undone.safety ?? undone
  const subject = { run, source: name, kind, target, repository, snapshot }
  const guarded = await guard(
    {
      ...(await places.context()),
      journal: places.journal,
      entry: {
        ...subject,
        operation: 'undo',
        strategy: undone.tables !== undefined ? 'tables' : swaps ? 'replace' : 'in-place',
        places: undone.places,
        existed: true,
        files,
        undoOf: undone.run,
        tookKeptAs: from === 'kept' ? undone.keepAs : undefined,
      },
      source,
      target,
      hooks: await places.hooksOf(name, target),
      takeSafety: async tables =>
        await takeSafetyAt(places, subject, {
          tables,
          changes: files && (await changesOfFiles(places, files, undone.safety)),
        }),
      restoreSafety: (state, unless) => restoreSafetyAt(places, subject, state, unless),
      onStep,
    },
    guarding => guarding.log.step('put back what was there', () => putBack(places, undone, source, swaps, guarding)),
  )
  await markUndone(places, undone.run, run)
  const { entry, steps, findings } = guarded
  return { run, undone, target, from, safety: undone.safety?.snapshot, entry, steps, findings }
}

/** Taken back itself, an undo must know what it brought back of what was removed. */
function filesOf({ files, safety }: JournalEntry): JournalEntry['files'] {
  const removed = files && removedIn(files, safety)
  return files && { ...files, removed }
}

/** All of it was moved, and the application with it: what is put back where it was is nobody's. */
async function requireFolder({ target, safety }: JournalEntry): Promise<void> {
  if (URL_FORM.test(target) || (await stat(dirname(target)).catch(() => undefined)) !== undefined) return
  const hint =
    safety === undefined
      ? 'Bring it back, then try again.'
      : `What was there before is snapshot ${safety.snapshot.slice(0, 8)}: restore it with --to where it belongs now.`
  throw new AppError('not-found', `the folder of ${target} is not there any more`, { hint })
}

function ownsMovedIn({ target, kept }: JournalEntry): AppError {
  const where = kept.map(each => each.kept).join(', ')
  return new AppError(
    'target-invalid',
    `a repository or the state folder lies in ${target}, and would go away with it`,
    {
      hint: `Move it elsewhere first, or take what you need from ${where} yourself.`,
    },
  )
}

async function putBack(
  places: RestorePlaces,
  undone: JournalEntry,
  source: Source,
  swaps: boolean,
  { beforeChange, lastLook, keepAs }: Guarded,
): Promise<{ readonly kept?: readonly Kept[] | undefined }> {
  const context = await places.context()
  const { target } = undone
  if (undone.kept.length > 0) {
    await beforeChange({ places: undone.places })
    return {
      kept: await swapAccessOf(source).putBack({
        ...context,
        target,
        keptAs: undone.keepAs,
        places: undone.places,
        keepNowAs: keepAs,
        lastLook,
      }),
    }
  }
  const wanted = {
    ...context,
    include: [],
    ...(await whatComesBack(places, undone)),
    source,
    target,
    force: true,
    delta: !swaps,
    checks: true,
  }
  return await restore({ ...wanted, beforeChange, lastLook, keepAs: swaps ? keepAs : undefined })
}

type ComesBack = Pick<RestoreOperationRequest, 'repository' | 'snapshot' | 'selection' | 'takeAway' | 'brought'> & {
  readonly include?: readonly string[]
}

async function whatComesBack(places: RestorePlaces, undone: JournalEntry): Promise<ComesBack> {
  if (undone.tables !== undefined) return await tablesBackRequest(places, undone, undone)
  if (undone.safety === undefined) throw nothingToPutBack(undone)
  if (undone.files !== undefined) return await filesBackRequest(places, undone.safety, undone.files)
  const repository = await places.openRepository(undone.safety.repository)
  return { repository, snapshot: await repository.getSnapshot(undone.safety.snapshot) }
}
