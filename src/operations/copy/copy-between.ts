import type { CopyReport, Snapshot } from '../../repository/index.ts'
import type { OpenedRepository } from '../snapshots/choose-snapshot.ts'
import { helpersFor, TakenBlobs } from '../snapshots/helped-contents.ts'
import type { Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type CopiedLog, copyLogs } from './copy-logs.ts'
import { copyPins } from './copy-pins.ts'

export interface CopyResult extends CopyReport {
  /** Pins that were taken over. */
  readonly pins: number
  /** Absent where there is no log to copy. */
  readonly log: CopiedLog | undefined
  /** All that was asked for is there now. */
  readonly complete: boolean
  readonly durationMs: number
}

export interface ToCopy {
  readonly origin: OpenedRepository
  readonly goal: OpenedRepository
  readonly wanted: readonly Snapshot[]
  /** Sources whose logs are copied too; undefined: all that there are. */
  readonly logsOf: readonly string[] | undefined
}

/** Copies recovery points, then their pins, then the logs that they go on with. */
export async function copyBetween(
  workspace: Workspace,
  { origin, goal, wanted, logsOf }: ToCopy,
  run: Run,
): Promise<CopyResult> {
  const startedMs = workspace.clock.monotonicMs()
  const { signal } = run
  const { repository: from } = origin
  const { repository: to } = goal
  const taken = new TakenBlobs(origin.name, finding => run.tell({ kind: 'finding', finding }))
  const label = `copy ${origin.name} -> ${goal.name}`
  const report = await to.copyFrom(from, wanted, {
    signal,
    helpers: helpersFor(workspace, [...workspace.settings.repositories.keys()], [origin.name, goal.name], taken),
    onProgress: ({ done, total, unit }) => run.tell({ kind: 'progress', progress: { label, done, total, unit } }),
  })
  const pins = await copyPins(from, to, wanted, workspace.clock.now())
  const log = logsOf?.length === 0 ? undefined : await copyLogs(workspace, { from, to, sources: logsOf, signal })
  const findings = [...report.findings, ...taken.findings(), ...pins.findings, ...(log?.findings ?? [])]
  return {
    ...report,
    findings,
    pins: pins.copied,
    log: log?.copied,
    complete: report.leftOut.length === 0 && findings.every(({ severity }) => severity !== 'error'),
    durationMs: Math.round(workspace.clock.monotonicMs() - startedMs),
  }
}
