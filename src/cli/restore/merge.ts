import type { App } from '../../app/app.ts'
import { formatDuration } from '../../base/durations.ts'
import { formatTime } from '../../base/times.ts'
import type { Merged } from '../../operations/merge/merge-into.ts'
import type { SafeMergeResult } from '../../operations/merge/safely.ts'
import { undoCommand } from '../../operations/restore/typed-commands.ts'
import type { RestoreWish } from '../../operations/restore/wish.ts'
import { mergeJson } from '../../outputs/merge.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { mergedJson } from '../../outputs/restore.ts'
import type { Call, Output } from '../command.ts'
import { formatFindings } from '../printers/text.ts'
import { writeReports } from '../reports.ts'
import { INCOMPLETE, settledPlan, showPlan, withFindings } from './bring-back.ts'
import { confirmChange } from './confirm.ts'

/** Adds to what is at a place what only the recovery point has: plan, question, change, report. */
export async function mergeInto(call: Call, app: App, wish: RestoreWish): Promise<Output<Printed<'restore'>>> {
  const operation = await import('../../operations/merge/merge-into.ts')
  const { leavesOut } = await import('../../operations/merge/report.ts')
  const plan = await settledPlan(call, app, () => operation.planMerge(app, wish, call.caller))
  if (call.values.flag('dryRun')) {
    const { result, report } = await operation.tryMerge(app, plan, call.caller)
    call.progress.clear()
    return { ...(await showPlan(call, report)), json: { ...mergeJson(result), report } }
  }
  operation.requireMergeable(plan)
  if (plan.place.purpose === 'own') await confirmChange(call, { verb: 'merges into', plan })
  const done = await operation.mergeInto(app, plan, call.caller).catch(async (error: unknown) => {
    await writeReports(call)
    throw withFindings(error)
  })
  call.progress.clear()
  await writeReports(call)
  const leftOut = leavesOut(done.result)
  return {
    json: mergedJson(done, leftOut),
    text: await describe(done, call),
    findings: done.result.findings,
    exitCode: leftOut ? INCOMPLETE : 0,
  }
}

async function describe({ plan, result }: Merged<SafeMergeResult>, call: Call): Promise<string> {
  const { snapshot, repository } = plan
  const { mergeReportTables, mergeSummary } = await import('../../operations/merge/report.ts')
  const { formatReportTable } = await import('./confirm.ts')
  const paint = call.terminal.out
  const [counts] = mergeReportTables(result)
  const { safety } = result.entry
  const undo =
    safety === undefined || !result.changed
      ? ''
      : `  put back what was there with: ${undoCommand(result.entry)}
`
  return (
    `Merged the recovery point of ${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, 8)} in ${repository.name}) into ${paint('bold', result.target)}\n` +
    `  ${mergeSummary(result)}, ${formatDuration(result.durationMs)}\n${undo}` +
    (counts === undefined ? '' : `\n${formatReportTable(counts, paint)}`) +
    formatFindings(result.findings, paint)
  )
}
