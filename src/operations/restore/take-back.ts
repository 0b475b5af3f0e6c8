import { AppError, messageOf } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Source, SourceContext } from '../../sources/source.ts'
import { type HookContext, type Hooks, runHook } from './hooks.ts'
import type { JournalEntry } from './journal.ts'
import type { SafeState } from './places.ts'

export interface TakeBackRequest {
  readonly context: SourceContext
  readonly entry: JournalEntry
  readonly source: Source
  readonly target: string
  readonly hooks: Hooks
  readonly hookContext: HookContext
  readonly restoreSafety: (state: SafeState) => Promise<void>
}

export interface TakenBack {
  /** Something had been changed, and is not any more. */
  readonly changed: boolean
  readonly findings: readonly Finding[]
}

/**
 * Makes the target what it was before a restore that did not come to its end, from whatever phase, and starts the
 * application again if it was stopped. Safe to repeat after a kill.
 */
export async function takeBack(request: TakeBackRequest): Promise<TakenBack> {
  const changed = request.entry.phase === 'preparing' ? false : await putBack(request)
  return { changed, findings: await startAgain(request) }
}

async function putBack(request: TakeBackRequest): Promise<boolean> {
  const { context, entry, source, target } = request
  if (entry.strategy === 'replace') {
    const place = { ...context, target, keptAs: entry.keepAs, places: entry.places }
    const { state } = await source.targets.settle(place)
    // Nothing was there before: the same restore again goes on with what there is.
    if (state === 'half-written' && !entry.existed) return false
    // An undo takes what an earlier restore kept; taken back itself, it must not be the end of that.
    if (state === 'finished') await source.targets.putBack({ ...place, keepNowAs: entry.tookKeptAs })
    return state !== 'untouched'
  }
  if (!entry.existed) return false
  if (entry.strategy !== 'in-place' && entry.phase !== 'changed' && !(await wasCommitted(request))) return false
  await restoreFromSafety(request)
  return true
}

/** One transaction, which mostly ended without its commit; a connection that is lost in it leaves that open. */
async function wasCommitted({ context, entry, source, target }: TakeBackRequest): Promise<boolean> {
  if (entry.token === undefined) return false
  const place = { ...context, target, keptAs: entry.keepAs, places: entry.places, token: entry.token }
  return (await source.targets.settle(place)).state === 'finished'
}

async function restoreFromSafety({ entry, restoreSafety }: TakeBackRequest): Promise<void> {
  const changedNoRow = entry.tables !== undefined && entry.tables.changed.length === 0
  if (entry.safety !== undefined || changedNoRow) return await restoreSafety(entry)
  throw new AppError('failed', `${entry.target} may be half-written, and there is no recovery point of what it was`, {
    hint: `Restore it again: lifeboat restore ${entry.source} --force`,
  })
}

/** The application was sent away for nothing. That it does not come back must not hide why. */
async function startAgain({ entry, hooks, hookContext }: TakeBackRequest): Promise<Finding[]> {
  if (!entry.hookRan || hooks.after === undefined) return []
  try {
    await runHook('after', hooks, hookContext)
    return []
  } catch (error) {
    return [
      {
        severity: 'error',
        code: 'hook-failed',
        subject: `source ${entry.source}`,
        message: messageOf(error),
        hint: 'What was there is there again; start the application by hand.',
      },
    ]
  }
}
