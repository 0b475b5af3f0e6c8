import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { ProofLevel } from '../../model/recovery-point.ts'
import type { Report } from '../../model/report.ts'
import type { Source } from '../../sources/source.ts'
import { keepReportOf } from '../report/keep.ts'
import { type Choice, chooseSnapshot, type FoundSnapshot } from '../snapshots/choose-snapshot.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { type Caller, type Run, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type VerifyResult, verify } from './verify.ts'
import { reportOfVerify } from './verify-report.ts'

/** One recovery point that was put to the proof. */
export interface Verified {
  readonly chosen: FoundSnapshot
  readonly result: VerifyResult
  readonly report: Report
}

export type VerifyAttempt = Verified | { readonly source: string; readonly error: AppError }

/** Each as a run of its own. One that can't be verified must not keep the others from it. */
export async function proveAll(
  workspace: Workspace,
  choices: readonly Choice[],
  level: ProofLevel,
  caller: Caller,
): Promise<VerifyAttempt[]> {
  const attempts: VerifyAttempt[] = []
  const onFinding = (finding: Finding): void => caller.onEvent?.({ kind: 'finding', finding })
  for (const choice of choices) {
    try {
      const chosen = await chooseSnapshot(workspace, choice, onFinding)
      attempts.push(await prove(workspace, chosen, level, caller))
    } catch (error) {
      throwIfAborted(caller.signal)
      if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
      attempts.push({ source: choice.source ?? (choice.wish.kind === 'id' ? choice.wish.prefix : 'snapshot'), error })
    }
  }
  return attempts
}

/** Verifies a snapshot: the catalog gets the run and the proof (or that there is none), the state folder the report. */
export async function prove(
  workspace: Workspace,
  chosen: FoundSnapshot,
  level: ProofLevel,
  caller: Caller,
): Promise<Verified> {
  const { name: repository, snapshot } = chosen
  return await runRecorded(workspace, caller, { operation: 'verify' }, async run => {
    const source = await sourceOfSnapshot(workspace, run, snapshot, run.scratchDir)
    const startedAt = workspace.clock.now()
    const result = await run.attempt(
      { operation: 'verify', source: source.name, repository },
      () => verifyShown(workspace, run, { ...chosen, source, level }),
      ({ passed, bytesRead, findings }) => ({
        outcome: passed ? 'done' : 'incomplete',
        snapshot: snapshot.id,
        // 1 or 0: figures are numbers, and policies ask how far the last verification went.
        statistics: { bytesRead, restored: level === 'restored' ? 1 : 0, passed: passed ? 1 : 0 },
        findings,
      }),
    )
    await saveProof(workspace, chosen, result)
    const report = reportOfVerify({ result, repository, run: run.id, startedAt })
    await keepReportOf(workspace, run, report)
    return { chosen, result, report }
  })
}

interface Subject extends FoundSnapshot {
  readonly source: Source
  readonly level: ProofLevel
}

async function verifyShown(workspace: Workspace, run: Run, subject: Subject): Promise<VerifyResult> {
  const { repository, snapshot, source, level } = subject
  const total = snapshot.summary?.totalBytesProcessed
  const show = (done: number): void =>
    run.tell({ kind: 'progress', progress: { label: `verify ${source.name}`, done, total, unit: 'bytes' } })
  show(0)
  return await verify({
    ...run,
    repository,
    snapshot,
    source,
    level,
    assertions: workspace.settings.sources.get(source.name)?.assertions ?? [],
    commandPlace: workspace.commandPlace,
    onProgress: show,
  })
}

async function saveProof(
  { catalog, clock }: Workspace,
  { repository, snapshot }: FoundSnapshot,
  result: VerifyResult,
): Promise<void> {
  if (repository.frozen) return
  const now = clock.now()
  if (result.proof !== undefined) await catalog.saveProofs(repository.id, [snapshot.id], result.proof, now)
  // Bytes that are lost are lost at every level, whatever was asked for.
  else await catalog.saveFailedProofs(repository.id, [snapshot.id], result.damaged ? 'checked' : result.level, now)
}
