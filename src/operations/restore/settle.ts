import { messageOf } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Settled, Source, SourceContext } from '../../sources/source.ts'
import { runHook } from '../hooks/run-hook.ts'
import { hookContextOf } from './guard.ts'
import type { JournalEntry } from './journal.ts'
import { type RestorePlaces, restoreSafetyAt } from './places.ts'
import { settleAt, swapAccessOf } from './swapping.ts'
import { takeBack } from './take-back.ts'
import { settleCommand } from './typed-commands.ts'

export const SETTLED_OUTCOMES = ['finished', 'rolled-back', 'untouched', 'unclear', 'failed'] as const

export interface SettledRestore {
  readonly entry: JournalEntry
  /**
   * `untouched`: it had changed nothing. `unclear`: it ended at the very commit of its transaction; the target is whole,
   * with or without it. `failed`: what to do is in the findings.
   */
  readonly outcome: (typeof SETTLED_OUTCOMES)[number]
  readonly findings: readonly Finding[]
}

/**
 * Brings to an end what killed restores left, of all targets or of one: finishes those whose new data is in place, takes the
 * others back. It changes targets, so it is only called for a person who asked for a change there.
 */
export async function settleInterrupted(places: RestorePlaces, target?: string): Promise<SettledRestore[]> {
  const settled: SettledRestore[] = []
  for (const interrupted of await places.journal.listInterrupted()) {
    if (target !== undefined && interrupted.target !== target) continue
    const claim = await places.journal.claim(interrupted)
    if (claim === undefined) continue
    try {
      // Whoever restores there now ends this one too: see `guard`.
      if (await isBeingReplaced(places, claim.entry)) continue
      settled.push(await settleOne(places, claim.entry))
    } catch (error) {
      settled.push({ entry: claim.entry, outcome: 'failed', findings: [notSettled(claim.entry, error)] })
    } finally {
      await claim.release()
    }
  }
  return settled
}

async function isBeingReplaced({ journal }: RestorePlaces, { target }: JournalEntry): Promise<boolean> {
  return (await journal.listRunning()).some(each => each.target === target)
}

async function settleOne(places: RestorePlaces, entry: JournalEntry): Promise<SettledRestore> {
  const { journal } = places
  const source = await places.openSourceAt(entry.source, entry.kind, entry.target)
  const context = await places.context()
  const settled = await settleTarget(context, source, entry)
  const inPlace = isInPlace(entry, settled)
  if (inPlace === 'yes') {
    const failure = await startApplication(places, context, entry)
    if (failure === undefined) return await finish(places, context, source, entry, settled)
    const { findings } = await takeBackAll(places, context, source, { ...entry, phase: 'changed' })
    const rolledBack = await journal.update(entry, { phase: 'rolled-back', kept: [] })
    return { entry: rolledBack, outcome: 'rolled-back', findings: [failure, ...findings] }
  }
  const isUnclear = inPlace === 'unclear'
  const { changed, findings } = await takeBackAll(places, context, source, entry)
  // Undone by the person, if at all: what the application wrote since is worth more than a guess.
  const phase = isUnclear ? 'done' : changed ? 'rolled-back' : 'failed'
  const outcome = isUnclear ? 'unclear' : changed ? 'rolled-back' : 'untouched'
  return { entry: await journal.update(entry, { phase }), outcome, findings }
}

/** Undefined where nothing at the target has to be looked at. */
async function settleTarget(
  context: SourceContext,
  source: Source,
  { target, keepAs: keptAs, places, token, strategy, phase }: JournalEntry,
): Promise<Settled | undefined> {
  const isTransaction = strategy === 'tables' || strategy === 'merge'
  if (phase === 'preparing' || (phase === 'changed' && strategy !== 'replace')) return undefined
  // A transaction that leaves no trace was committed or was not.
  if (isTransaction && token === undefined) return undefined
  return await settleAt(source, { ...context, target, keptAs, places, token })
}

/** Is what was restored what is there now, whole? */
function isInPlace({ strategy, phase }: JournalEntry, settled: Settled | undefined): 'yes' | 'no' | 'unclear' {
  if (phase === 'preparing') return 'no'
  if (phase === 'changed' && strategy !== 'replace') return 'yes'
  if (settled === undefined) return 'unclear'
  const { state } = settled
  // Not half-written, it is as it was, or all of it is new and the journal does not know it yet.
  if (strategy === 'in-place' && state !== 'finished') return state === 'half-written' ? 'no' : 'unclear'
  if (state === 'finished' || (phase === 'changed' && state === 'untouched')) return 'yes'
  return strategy !== 'replace' && state === 'half-written' ? 'unclear' : 'no'
}

async function startApplication(
  places: RestorePlaces,
  context: SourceContext,
  entry: JournalEntry,
): Promise<Finding | undefined> {
  const hooks = await places.hooksOf(entry.source, entry.target)
  if (hooks.after === undefined) return undefined
  try {
    await runHook('after', hooks, hookContextOf(context, entry))
    return undefined
  } catch (error) {
    const message = `${messageOf(error)}; so what was there was put back`
    return { severity: 'error', code: 'hook-failed', subject: `source ${entry.source}`, message }
  }
}

async function finish(
  places: RestorePlaces,
  context: SourceContext,
  source: Source,
  entry: JournalEntry,
  settled: Settled | undefined,
): Promise<SettledRestore> {
  const { target, keepAs: keptAs } = entry
  const { kept = [], mayHoldMore } = settled ?? {}
  const isSafe = entry.keptIsSafe === true && (entry.phase === 'changed' || mayHoldMore !== true)
  const drops = entry.safety !== undefined && isSafe && kept.length > 0
  if (drops) await swapAccessOf(source).dropKept({ ...context, target, keptAs, places: entry.places })
  const done = await places.journal.update(entry, { phase: 'done', kept: drops ? [] : [...kept] })
  if (done.undoOf !== undefined) await markUndone(places, done.undoOf, done.run)
  return { entry: done, outcome: 'finished', findings: [] }
}

export async function markUndone({ journal }: RestorePlaces, run: string, by: string): Promise<void> {
  const undone = (await journal.list()).find(each => each.run === run)
  if (undone !== undefined) await journal.update(undone, { undoneBy: by, kept: [] })
}

async function takeBackAll(places: RestorePlaces, context: SourceContext, source: Source, entry: JournalEntry) {
  return await takeBack({
    context,
    entry,
    source,
    target: entry.target,
    hooks: await places.hooksOf(entry.source, entry.target),
    hookContext: hookContextOf(context, entry),
    restoreSafety: (safety, unless) => restoreSafetyAt(places, entry, safety, unless),
    mayBeUsed: true,
  })
}

function notSettled(entry: JournalEntry, error: unknown): Finding {
  return {
    severity: 'error',
    code: 'restore-not-settled',
    subject: entry.target,
    message: `an interrupted restore could not be brought to an end: ${messageOf(error)}`,
    hint: `Mend that, then go on with: ${settleCommand(entry)}`,
  }
}
