import { AppError, messageOf } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Kept, Source, SourceContext } from '../../sources/source.ts'
import { type HookContext, type Hooks, runHook } from '../hooks/run-hook.ts'
import { changedNothing, type JournalEntry } from './journal.ts'
import { settleAt, swapAccessOf } from './swapping.ts'

export interface TakeBackRequest {
  readonly context: SourceContext
  readonly entry: JournalEntry
  readonly source: Source
  readonly target: string
  readonly hooks: Hooks
  readonly hookContext: HookContext
  readonly restoreSafety: RestoreSafety
  /** An application may have written to what is taken back: it was started on it, or the restore was killed long ago. */
  readonly mayBeUsed: boolean
}

/** Puts back what a recovery point has of what was changed. What is there now is kept beside where it is told so. */
export type RestoreSafety = (
  state: Pick<JournalEntry, 'safety' | 'tables' | 'files'>,
  unless: { readonly dropIf: DropIf },
) => Promise<PutBack>

/** What is kept of what was there, and what is to be said of it. */
export interface PutBack {
  readonly kept: readonly Kept[]
  readonly findings: readonly Finding[]
}

/** May what was taken back be removed? `state`: its own, at the last moment; undefined where nobody could tell. */
export type DropIf = (state: string | undefined) => boolean

export interface TakenBack {
  /** Something had been changed, and is not any more. */
  readonly changed: boolean
  readonly findings: readonly Finding[]
}

/**
 * Makes the target what it was before a restore that did not come to its end, from whatever phase, and starts the
 * application again if it was stopped. What an application may have written meanwhile is kept beside. Safe to repeat after
 * a kill.
 */
export async function takeBack(request: TakeBackRequest): Promise<TakenBack> {
  const changed = request.entry.phase === 'preparing' ? undefined : await putBack(request)
  const said = changed === undefined ? [] : [...changed.kept.map(keptAside), ...changed.findings]
  return { changed: changed !== undefined, findings: [...said, ...(await startAgain(request))] }
}

/** Undefined: nothing had been changed. */
async function putBack(request: TakeBackRequest): Promise<PutBack | undefined> {
  const { context, entry, source, target } = request
  const place = { ...context, target, keptAs: entry.keepAs, places: entry.places, token: entry.token }
  // Where it could not be rewritten in place, it was swapped.
  if (entry.strategy === 'replace' || entry.kept.length > 0) return await putKeptBack(request)
  if (!entry.existed || changedNothing(entry)) return undefined
  if (entry.phase !== 'changed') {
    const { state } = await settleAt(source, place)
    if (entry.strategy === 'in-place' && state === 'finished') return await putKeptBack(request)
    if (entry.strategy === 'in-place' && state !== 'half-written') return undefined
    // One transaction, which mostly ended without its commit; a connection that is lost in it leaves that open.
    if (entry.strategy !== 'in-place' && !(entry.token !== undefined && state === 'finished')) return undefined
  }
  const changedNoRow = entry.tables !== undefined && entry.tables.changed.length === 0
  if (entry.safety === undefined && !changedNoRow) throw noWayBack(entry)
  return await request.restoreSafety(entry, { dropIf: dropIf(request) })
}

async function putKeptBack(request: TakeBackRequest): Promise<PutBack | undefined> {
  const { context, entry, source, target } = request
  const place = { ...context, target, keptAs: entry.keepAs, places: entry.places, token: entry.token }
  const { state } = await settleAt(source, place)
  // Half-written by an earlier restore, or where nothing was before: the same restore again goes on with what there is.
  if (state === 'untouched' || state === 'half-written') return undefined
  if (state === 'rolled-back') return NOTHING_KEPT
  // An undo takes what an earlier restore kept; taken back itself, it must not be the end of that.
  const keepNowAs = entry.tookKeptAs ?? `taken-back-${entry.run.slice(0, 8)}`
  let last: string | undefined
  const lastLook = async (now: string | undefined): Promise<boolean> => {
    last = now
    return true
  }
  const kept = await swapAccessOf(source).putBack({ ...place, keepNowAs, lastLook })
  if (entry.tookKeptAs !== undefined) return NOTHING_KEPT
  if (!dropIf(request)(last)) return { kept, findings: [] }
  await swapAccessOf(source).dropKept({ ...place, keptAs: keepNowAs })
  return NOTHING_KEPT
}

const NOTHING_KEPT: PutBack = { kept: [], findings: [] }

/** Whose target can't tell (a server's databases, a folder), an application may have written to at any moment. */
function dropIf({ entry, mayBeUsed, source }: TakeBackRequest): DropIf {
  const tells = source.targets.stateOf !== undefined
  return state => (state === undefined || entry.token === undefined ? tells && !mayBeUsed : state === entry.token)
}

function noWayBack({ target, source }: JournalEntry): AppError {
  return new AppError('failed', `${target} may be half-written, and there is no recovery point of what it was`, {
    hint: `Restore it again: lifeboat restore ${source} --force`,
  })
}

function keptAside({ target, kept }: Kept): Finding {
  return {
    severity: 'warning',
    code: 'taken-back-kept',
    subject: target,
    message: `an application may have written to what was restored: it is kept as ${kept}`,
    hint: 'Take from it what you need, then remove it.',
  }
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
        hint: 'Start the application by hand.',
      },
    ]
  }
}
