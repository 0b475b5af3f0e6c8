import { AppError, isAppError, messageOf } from '../../base/errors.ts'
import { isSamePath } from '../../base/real-path.ts'
import type { Finding } from '../../model/finding.ts'
import { type Incomplete, nameNotCaptured } from '../../model/incomplete.ts'
import type { ReportStep } from '../../model/report.ts'
import type { Change, ChangedTables, Kept, LastLook, Source, SourceContext } from '../../sources/source.ts'
import type { BackupResult } from '../backup/backup.ts'
import { type HookContext, type Hooks, requireHooks, runHook } from '../hooks/run-hook.ts'
import { type JournalEntry, type NewEntry, type RestoreJournal, SILENCE_MINUTES } from './journal.ts'
import { URL_FORM } from './reserved.ts'
import { StepLog } from './step-log.ts'
import { swapAccessOf, swaps } from './swapping.ts'
import { type RestoreSafety, takeBack } from './take-back.ts'
import { settleCommand, undoCommand } from './typed-commands.ts'

/** Everything that keeps a change of a target from making things worse. */
export interface GuardRequest extends SourceContext {
  readonly journal: RestoreJournal
  readonly entry: Omit<NewEntry, 'keepAs'>
  /** Restores to the target. */
  readonly source: Source
  /** As the source understands it; may hold a password that the journal must not. */
  readonly target: string
  readonly hooks: Hooks
  /** Takes a recovery point of what is there; of some tables alone where nothing else changes. */
  readonly takeSafety: (tables: ChangedTables | undefined) => Promise<BackupResult>
  /** Restores one over what is there now, in one step. */
  readonly restoreSafety: RestoreSafety
  readonly onStep?: ((name: string) => void) | undefined
}

/** What the change itself is given. It calls `beforeChange` once, when all that can fail beside the target is done. */
export interface Guarded {
  readonly beforeChange: (change: Change) => Promise<void>
  /** For changes that hold the target while it changes: see `RestoreRequest`. */
  readonly lastLook: LastLook
  readonly keepAs: string
  readonly log: StepLog
}

/** What only the change itself knows when it is made. */
export interface Done {
  readonly kept?: readonly Kept[] | undefined
  /** Where it changed less than it had announced. */
  readonly tables?: JournalEntry['tables']
}

export interface GuardResult<T> {
  readonly result: T
  readonly entry: JournalEntry
  readonly steps: readonly ReportStep[]
  readonly findings: readonly Finding[]
}

export function keepAsOf(run: string): string {
  return `before-${run.slice(0, 8)}`
}

/**
 * Carries out one change of a target so that at each moment, killed there, either the old or the new is whole and one
 * command away: the journal is written first, what is there is captured or kept before it is touched, and whatever
 * fails (the change, a check after it, a hook) is taken back. `check` runs when the new one is in place and the
 * application may have been started on it.
 */
export async function guard<T extends object>(
  request: GuardRequest,
  change: (guarded: Guarded) => Promise<T & Done>,
): Promise<GuardResult<T>> {
  const { journal, clock } = request
  await requireAlone(request)
  await requireHooks(request.hooks)
  const log = new StepLog(clock, request.onStep)
  const keepAs = keepAsOf(request.entry.run)
  const begun = await journal.begin({ ...request.entry, keepAs })
  // Again, now that others can see this one: of two that begin at once, at least one sees the other.
  await requireAlone(request).catch(async (error: unknown) => {
    await journal.update(begun, { phase: 'failed' })
    throw error
  })
  const state = new GuardState(request, log, begun)
  const stopBeating = journal.keepFresh(begun)
  try {
    const result = await change({
      beforeChange: announced => state.prepare(announced),
      lastLook: (now, isKept) => state.lookLast(now, isKept),
      keepAs,
      log,
    })
    state.isChanged = true
    const { kept = [], tables = state.entry.tables } = result
    await state.advance({ phase: 'changed', kept: [...kept], tables })
    await state.start()
    await state.finish()
    return { result, entry: state.entry, steps: log.steps, findings: state.findings }
  } catch (error) {
    throw await state.giveUp(error)
  } finally {
    stopBeating()
  }
}

/** Two restores into one target would each put back what the other did; so would one, and the end of an interrupted one. */
async function requireAlone({ journal, entry: { run, target } }: GuardRequest): Promise<void> {
  const others = (await journal.list()).filter(each => each.target === target && each.run !== run)
  const running = await journal.listRunning()
  for (const other of others) {
    if (running.some(each => each.run === other.run)) throw inUse(other)
    if (await journal.isClaimed(other)) {
      throw new AppError('target-in-use', `an interrupted restore into ${target} is being brought to its end`, {
        hint: 'Run the same command again in a moment.',
      })
    }
  }
}

function inUse({ target, owner, run }: JournalEntry): AppError {
  const what = `another restore into ${target} is running (run ${run.slice(0, 8)}, process ${owner.pid} on ${owner.hostname})`
  return new AppError('target-in-use', what, {
    hint: `Wait until it has ended. Killed in a container or on a host that is gone, it counts as interrupted after ${SILENCE_MINUTES} minutes: then settle it with "lifeboat undo --settle".`,
  })
}

class GuardState {
  entry: JournalEntry
  /** The change is made, though the journal may not know it yet. */
  isChanged = false
  readonly findings: Finding[] = []
  readonly #request: GuardRequest
  readonly #log: StepLog
  readonly #hookContext: HookContext

  constructor(request: GuardRequest, log: StepLog, entry: JournalEntry) {
    this.#request = request
    this.#log = log
    this.entry = entry
    this.#hookContext = hookContextOf(request, entry)
  }

  async advance(change: Partial<JournalEntry>): Promise<void> {
    this.entry = await this.#request.journal.update(this.entry, change)
  }

  /**
   * The application is sent away, and whoever is left kept from writing; then what is there is made safe: whatever was
   * still written is in there.
   */
  async prepare({ places, token, hold, tables: announced }: Change): Promise<void> {
    const { hooks, source, entry } = this.#request
    await requirePlanned(places, entry.places)
    if (hooks.before) {
      // Noted first: a hook that was killed in the middle may have stopped the application.
      await this.advance({ hookRan: true })
      await this.#log.step('ran the hook "before"', () => runHook('before', hooks, this.#hookContext))
    }
    const held = await hold?.()
    const tables = announced ?? held?.tables
    if (!entry.existed) this.#log.skip('safety recovery point', 'there was nothing at the target')
    else if (tables !== undefined && tables.changed.length === 0) {
      this.#log.skip('safety recovery point', 'nothing that is there changes')
    } else if (entry.strategy === 'replace' && source.traits.wayBack === 'kept')
      this.#log.skip('safety recovery point', 'what is there is kept')
    else await this.#makeSafe(canKeep(source, entry), tables)
    await this.advance({ phase: 'changing', token: token ?? held?.token, tables: tables && recordOf(tables) })
  }

  /**
   * An application that opens, writes and closes may have written since what was there was made safe. Where that lies
   * beside, it stays there; else it is made safe again, now that nobody can write.
   */
  async lookLast(state: string | undefined, isKept: boolean): Promise<boolean> {
    const { source, entry } = this.#request
    const { safety, safeState, existed } = this.entry
    const isSame = safety !== undefined && state !== undefined && state === safeState
    if (isSame && isKept) await this.advance({ keptIsSafe: true })
    if (isSame || isKept || !existed) return true
    if (safety === undefined && canKeep(source, entry)) return false
    await this.#makeSafe(canKeep(source, entry), undefined)
    return this.entry.safety?.snapshot !== safety?.snapshot
  }

  async #stateNow(): Promise<string | undefined> {
    const { source, target, entry } = this.#request
    return entry.existed ? await source.targets.stateOf?.({ ...this.#request, target }) : undefined
  }

  async #makeSafe(keeps: boolean, tables: ChangedTables | undefined): Promise<void> {
    try {
      const safeState = await this.#stateNow()
      const safety = await this.#log.step(
        'took a safety recovery point',
        () => this.#request.takeSafety(tables),
        result => ({
          bytes: result.sizeBytes,
          note: `snapshot ${result.snapshot.id.slice(0, 8)}`,
        }),
      )
      const { repository } = this.#request.entry
      await this.advance({ safety: { repository, snapshot: safety.snapshot.id }, safeState })
      if (safety.incomplete !== undefined) this.findings.push(notInSafetyPoint(safety.snapshot.id, safety.incomplete))
    } catch (error) {
      if (!keeps || isAppError(error, 'interrupted')) throw error
      // A damaged database can't be captured; that is often why it is restored.
      this.findings.push({
        severity: 'warning',
        code: 'safety-point-not-taken',
        subject: this.entry.target,
        message: `what was there could not be captured: ${messageOf(error)}`,
        hint: 'It is kept beside instead, as it was.',
      })
    }
  }

  async start(): Promise<void> {
    const { hooks } = this.#request
    if (hooks.after === undefined) return
    // It may have started the application on the new data: taken back, that has to be started again.
    await this.advance({ hookRan: true })
    await this.#log.step('ran the hook "after"', () => runHook('after', hooks, this.#hookContext))
  }

  /**
   * With a safety recovery point, what was kept beside is in the way. The application may be at work on the new data by
   * now: what fails here is said, and takes nothing back.
   */
  async finish(): Promise<void> {
    const { source, target, journal, entry } = this.#request
    try {
      // What could not be settled there before is history: settled later, it would take this restore away again.
      for (const other of await journal.listInterrupted()) {
        if (other.target === entry.target) await journal.update(other, { phase: 'failed' })
      }
      await this.advance({ phase: 'done' })
      if (this.entry.safety === undefined || this.entry.kept.length === 0) return
      if (this.entry.keptIsSafe !== true) return void this.findings.push(keptToo(this.entry))
      await swapAccessOf(source).dropKept({ ...this.#request, target, keptAs: this.entry.keepAs, places: entry.places })
      await this.advance({ kept: [] })
    } catch (error) {
      this.findings.push({
        severity: 'warning',
        code: 'restore-not-tidied',
        subject: this.entry.target,
        message: `what was restored is in place, but what was kept could not be tidied away: ${messageOf(error)}`,
        hint: `Remove it with: ${undoCommand(this.entry)} --discard`,
      })
    }
  }

  /** Takes everything back, and gives the error that says so. */
  async giveUp(error: unknown): Promise<unknown> {
    const { source, restoreSafety, hooks } = this.#request
    // A link to what the swap took away leads nowhere: the place itself is in the journal.
    const target = URL_FORM.test(this.#request.target) ? this.#request.target : this.entry.target
    try {
      // An interrupted run may still put back what it took.
      const uninterrupted = new AbortController().signal
      const context = { ...this.#request, signal: uninterrupted }
      const hookContext = { ...this.#hookContext, signal: uninterrupted }
      const entry = this.isChanged ? { ...this.entry, phase: 'changed' as const } : this.entry
      const mayBeUsed = this.isChanged
      const took = await takeBack({ context, entry, source, target, restoreSafety, hooks, hookContext, mayBeUsed })
      await this.advance({ phase: took.changed ? 'rolled-back' : 'failed', kept: [] })
      return this.#explain(error, noteOn(this.entry, took.changed), took.findings)
    } catch (failure) {
      const again = `When that is mended, go on with: ${settleCommand(this.entry)}`
      return this.#explain(error, `Putting back what was there failed too: ${messageOf(failure)}. ${again}`, [])
    }
  }

  /** The same error, with what became of the target. */
  #explain(error: unknown, note: string, findings: readonly Finding[]): unknown {
    const { run, phase } = this.entry
    if (!isAppError(error)) {
      // A bug, which is told as it is; what it cost must be known all the same.
      for (const { subject, message, hint } of findings) {
        this.#request.logger.warn([`${subject}: ${message}`, hint].filter(Boolean).join('. '))
      }
      return error
    }
    // An adapter may have said it already.
    const hint = error.hint?.includes(note) ? error.hint : withNote(error.hint, note)
    const context = { ...error.context, run, phase, steps: this.#log.steps, findings }
    return new AppError(error.code, error.message, { hint, context, cause: error.cause ?? error })
  }
}

/** Whatever an adapter makes of its request: only what the person was shown and agreed to is changed. */
async function requirePlanned(places: readonly string[], planned: readonly string[]): Promise<void> {
  for (const place of places) {
    const same = await Promise.all(planned.map(each => isSamePlace(place, each)))
    if (same.includes(true)) continue
    throw new Error(`a restore that was planned for ${planned.join(', ')} was about to change ${place}`)
  }
}

async function isSamePlace(one: string, other: string): Promise<boolean> {
  if (URL_FORM.test(one) || URL_FORM.test(other)) return one === other
  return await isSamePath(one, other)
}

function recordOf({ changed, created }: ChangedTables): JournalEntry['tables'] {
  return { changed: [...changed], created: created.map(each => ({ ...each })) }
}

/** What is there can stay beside, whole, where it can't be made safe. */
function canKeep(source: Source, { strategy }: GuardRequest['entry']): boolean {
  if (!swaps(source)) return false
  return strategy === 'replace' || (strategy === 'in-place' && source.traits.wayBack === 'snapshot')
}

export function hookContextOf(context: SourceContext, entry: JournalEntry): HookContext {
  return {
    signal: context.signal,
    logger: context.logger,
    environment: {
      LIFEBOAT_SOURCE: entry.source,
      LIFEBOAT_TARGET: entry.target,
      LIFEBOAT_RUN: entry.run,
      LIFEBOAT_SNAPSHOT: entry.snapshot,
    },
  }
}

function notInSafetyPoint(snapshot: string, incomplete: Incomplete): Finding {
  return {
    severity: 'warning',
    code: 'safety-point-incomplete',
    subject: `snapshot ${snapshot.slice(0, 8)}`,
    message: `the recovery point of what was there lacks what this restore did not change: ${nameNotCaptured(incomplete)}`,
  }
}

function keptToo(entry: JournalEntry): Finding {
  const { target, kept } = entry
  return {
    severity: 'info',
    code: 'target-changed-meanwhile',
    subject: target,
    message: `it changed after its safety recovery point was taken: its last state is kept as ${kept.map(each => each.kept).join(', ')}`,
    hint: `"${undoCommand(entry)}" puts that back. Remove it with: ${undoCommand(entry)} --discard`,
  }
}

function noteOn({ existed, target }: JournalEntry, changed: boolean): string {
  if (!existed) return `There was nothing at ${target} before.`
  return changed ? 'What was there is there again.' : 'Nothing was changed.'
}

/** A command to type stands last: nothing after it is taken for a part of it. */
function withNote(hint: string | undefined, note: string): string {
  if (hint === undefined) return note
  return /[.!?]$/.test(hint) ? `${hint} ${note}` : `${note} ${hint}`
}
