import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { isAppError, messageOf } from '../../base/errors.ts'
import type { Catalog, Run, RunOutcome } from '../../catalog/catalog.ts'
import type { Finding } from '../../model/finding.ts'

export interface RunSubject {
  readonly operation: string
  readonly source?: string
  readonly repository?: string
}

/** What the catalog keeps of a finished run. */
export interface RunSummary {
  readonly outcome: Extract<RunOutcome, 'done' | 'incomplete'>
  readonly snapshot?: string
  readonly statistics: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
}

export interface RunRecorder {
  readonly catalog: Catalog
  readonly clock: Clock
}

/**
 * Does `work` as one run and records how it ended. The record is told what happened, never the other way round: a
 * failure of `work` is recorded and thrown as it is.
 */
export async function recordRun<T>(
  recorder: RunRecorder,
  subject: RunSubject,
  work: (runId: string) => Promise<T>,
  summarize: (result: T) => RunSummary,
): Promise<T> {
  const run = { id: randomUUID(), ...subject, startedAt: recorder.clock.now() }
  const save = (end: Omit<Run, keyof typeof run | 'finishedAt'>): Promise<void> =>
    recorder.catalog.saveRun({ ...run, ...end, finishedAt: recorder.clock.now() })
  let result: T
  try {
    result = await work(run.id)
  } catch (error) {
    const failure = save({
      outcome: isAppError(error, 'interrupted') ? 'interrupted' : 'failed',
      statistics: {},
      findings: [
        {
          severity: 'error',
          code: codeOf(error),
          subject: subject.source ?? subject.operation,
          message: messageOf(error),
        },
      ],
    })
    // What went wrong first is what a person must see, also where it can't be recorded.
    await failure.catch(() => undefined)
    throw error
  }
  await save(summarize(result))
  return result
}

function codeOf(error: unknown): string {
  return isAppError(error) ? error.code : 'unexpected'
}
