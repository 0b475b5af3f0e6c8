import { randomUUID } from 'node:crypto'
import { AppError, isAppError, messageOf, throwIfAborted } from '../../base/errors.ts'
import { type Logger, silentLogger } from '../../base/logger.ts'
import type { ScratchFolder } from '../../base/private-folder.ts'
import { thisProcess } from '../../base/process-life.ts'
import type { Attempt, RunEnd, RunOutcome } from '../../catalog/catalog.ts'
import type { Finding } from '../../model/finding.ts'
import type { ProgressState } from '../../model/progress.ts'
import type { Report } from '../../model/report.ts'
import { callStatistics } from '../../model/storage-calls.ts'
import type { SourceContext } from '../../sources/source.ts'
import { rebuildFromReports } from '../runs/rebuild.ts'
import type { Workspace } from './workspace.ts'

/** One execution of what was asked for. All that it uses is its own: signal, logger, scratch folder, what it opened. */
export interface Run extends SourceContext {
  /** The same in catalog, journal, reports and manifests. */
  readonly id: string
  readonly tell: (event: RunEvent) => void
  /** To be closed when the run ends, last first. */
  closeLater<T extends Closeable>(opened: T): T
}

/** What happens in a run: a bar, a line of a log, an event to a browser. */
export type RunEvent =
  /** It is in the catalog now. */
  | { readonly kind: 'begun'; readonly run: string; readonly operation: string }
  | { readonly kind: 'progress'; readonly progress: ProgressState }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'report'; readonly report: Report }

export interface Closeable {
  close(): Promise<void>
}

/** What whoever asks for something brings along. */
export interface Caller {
  readonly signal?: AbortSignal | undefined
  readonly logger?: Logger | undefined
  readonly onEvent?: ((event: RunEvent) => void) | undefined
}

/** Does `work` as a run that leaves no record: for what changes nothing. */
export async function lookAround<T>(workspace: Workspace, caller: Caller, work: (run: Run) => Promise<T>): Promise<T> {
  const run = new OwnRun(workspace, caller, await workspace.scratchFolder())
  let result: T
  try {
    result = await work(run)
  } catch (error) {
    // What went wrong first is what a person must see.
    await run.close().catch(() => undefined)
    throw error
  }
  await run.close()
  return result
}

export interface Asked {
  readonly operation: string
  readonly policy?: string | undefined
}

/**
 * Does `work` as a run that the catalog knows from its beginning. The record is told what happened, never the other way
 * round: a failure of `work` is recorded and thrown as it is.
 */
export async function runRecorded<T>(
  workspace: Workspace,
  caller: Caller,
  asked: Asked,
  work: (run: RecordedRun) => Promise<T>,
): Promise<T> {
  const { catalog, clock } = workspace
  return await lookAround(workspace, caller, async run => {
    await rebuildFromReports(workspace)
    await catalog.beginRun({ id: run.id, ...asked, startedAt: clock.now(), owner: thisProcess() })
    run.tell({ kind: 'begun', run: run.id, operation: asked.operation })
    const recorded = new Recorder(workspace, run)
    const end = (outcome: RunOutcome, findings: RunEnd['findings']): Promise<void> =>
      catalog.endRun(run.id, { outcome, finishedAt: clock.now(), findings })
    let result: T
    try {
      result = await work(recorded.run)
    } catch (error) {
      const findings = recorded.isRecorded(error) ? [] : [failureOf(error, asked.operation)]
      await end(outcomeOf(error), findings).catch(() => undefined)
      throw error
    }
    await end(recorded.outcome, [])
    return result
  })
}

/** A recorded run of one attempt. */
export async function runOnce<T>(
  workspace: Workspace,
  caller: Caller,
  subject: AttemptSubject,
  work: (run: Run) => Promise<T>,
  summarize: (result: T) => AttemptSummary,
): Promise<T> {
  return await runRecorded(workspace, caller, { operation: subject.operation }, run =>
    run.attempt(subject, () => work(run), summarize),
  )
}

export interface RecordedRun extends Run {
  /** Does `work` on one source and repository, and records how it ended. Its failure is recorded and thrown as it is. */
  attempt<T>(subject: AttemptSubject, work: () => Promise<T>, summarize: (result: T) => AttemptSummary): Promise<T>
}

export type AttemptSubject = Pick<Attempt, 'operation' | 'source' | 'repository'>

/** What the catalog keeps of an attempt that came to its end. */
export interface AttemptSummary extends Pick<Attempt, 'snapshot' | 'statistics' | 'findings'> {
  readonly outcome: Extract<RunOutcome, 'done' | 'incomplete'>
}

class OwnRun implements Run {
  readonly id = randomUUID()
  readonly signal: AbortSignal
  readonly clock: Run['clock']
  readonly logger: Logger
  readonly scratchDir: string
  readonly tell: (event: RunEvent) => void
  readonly #scratch: ScratchFolder
  readonly #opened: Closeable[] = []

  constructor(workspace: Workspace, { signal, logger, onEvent }: Caller, scratch: ScratchFolder) {
    this.signal = signal ?? new AbortController().signal
    this.clock = workspace.clock
    this.logger = logger ?? silentLogger
    this.scratchDir = scratch.path
    this.#scratch = scratch
    this.tell = onEvent ?? (() => {})
  }

  closeLater<T extends Closeable>(opened: T): T {
    this.#opened.push(opened)
    return opened
  }

  /** The first failure is thrown after all were tried. */
  async close(): Promise<void> {
    let failure: { readonly error: unknown } | undefined
    const closing = this.#opened.splice(0).map(opened => () => opened.close())
    closing.reverse()
    closing.push(() => this.#scratch.remove())
    for (const close of closing) {
      try {
        await close()
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure) throw failure.error
  }
}

/** Writes the attempts of a run down, and what they come to. */
class Recorder {
  readonly run: RecordedRun
  readonly #workspace: Workspace
  readonly #outcomes: RunOutcome[] = []
  readonly #errors = new WeakSet<object>()

  constructor(workspace: Workspace, run: Run) {
    this.#workspace = workspace
    this.run = {
      ...run,
      closeLater: opened => run.closeLater(opened),
      attempt: (subject, work, summarize) => this.#attempt(subject, work, summarize),
    }
  }

  /** One of several that failed leaves the others done: the run is incomplete. */
  get outcome(): RunOutcome {
    const [first = 'done', ...others] = this.#outcomes
    return others.every(each => each === first) ? first : 'incomplete'
  }

  /** Was this what an attempt failed with? Being told to stop is one failure, however often it is thrown. */
  isRecorded(error: unknown): boolean {
    if (isAppError(error, 'interrupted') && this.#outcomes.includes('interrupted')) return true
    return typeof error === 'object' && error !== null && this.#errors.has(error)
  }

  async #attempt<T>(
    subject: AttemptSubject,
    work: () => Promise<T>,
    summarize: (result: T) => AttemptSummary,
  ): Promise<T> {
    const { catalog, clock } = this.#workspace
    const startedAt = clock.now()
    const save = async (end: Omit<Attempt, keyof AttemptSubject | 'startedAt' | 'finishedAt'>): Promise<void> => {
      this.#outcomes.push(end.outcome)
      const { repository } = subject
      const calls = repository === undefined ? {} : callStatistics(this.#workspace.takeCalls(repository))
      const statistics = { ...end.statistics, ...calls }
      await catalog.saveAttempt(this.run.id, { ...subject, startedAt, ...end, statistics, finishedAt: clock.now() })
    }
    let result: T
    try {
      result = await work()
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.#errors.add(error)
      const findings = [failureOf(error, subject.source ?? subject.operation)]
      // What went wrong first is what a person must see, also where it can't be recorded.
      await save({ outcome: outcomeOf(error), statistics: {}, findings }).catch(() => undefined)
      throw error
    }
    await save(summarize(result))
    return result
  }
}

/** What may happen to one of several and must not stop the others; anything else is thrown. */
export function ordinary(signal: AbortSignal, error: unknown): AppError {
  throwIfAborted(signal)
  if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
  return error
}

function outcomeOf(error: unknown): RunOutcome {
  return isAppError(error, 'interrupted') ? 'interrupted' : 'failed'
}

function failureOf(error: unknown, subject: string): Finding {
  const code = isAppError(error) ? error.code : 'unexpected'
  return { severity: 'error', code, subject, message: messageOf(error) }
}
