import type { App } from '../../app/app.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Report } from '../../model/report.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { RestoreWish } from '../../operations/restore/wish.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { restoredJson } from '../../outputs/restore.ts'
import type { Call, Output } from '../command.ts'
import { writeReports } from '../reports.ts'
import { confirmChange } from './confirm.ts'
import { describeRestore } from './describe.ts'

const VERBS = { replace: 'replaces', 'in-place': 'writes into', tables: 'replaces rows of tables in' } as const

/** All that there is came back, and something was never captured. */
export const INCOMPLETE = 3

/** Replaces, or makes, what is at a place: plan, question, change, report. */
export async function bringBack(call: Call, app: App, wish: RestoreWish): Promise<Output<Printed<'restore'>>> {
  const { planRestore } = await import('../../operations/restore/plan.ts')
  const plan = await settledPlan(call, app, () => planRestore(app, wish, call.caller))
  if (call.values.flag('dryRun')) {
    const { reportPlan } = await import('../../operations/restore/dry-run.ts')
    return await showPlan(call, await reportPlan(app, plan, call.caller))
  }
  const { requirePossible } = await import('../../operations/restore/survey.ts')
  requirePossible(plan)
  const { strategy, place } = plan
  if (plan.survey.exists && place.purpose === 'own' && strategy !== 'merge') {
    await confirmChange(call, { verb: VERBS[strategy], plan })
  }
  const { carryOut } = await import('../../operations/restore/carry-out.ts')
  const done = await carryOut(app, plan, call.caller).catch(async (error: unknown) => {
    await writeReports(call)
    throw withFindings(error)
  })
  await writeReports(call)
  const { isWholly } = await import('../../operations/restore/restore-report.ts')
  return {
    json: restoredJson(done),
    text: describeRestore(done, call),
    exitCode: isWholly(done.result) ? 0 : INCOMPLETE,
    findings: done.result.findings,
  }
}

/** What was found out while all was put back must reach the person too: the application may still be stopped. */
export function withFindings(error: unknown): unknown {
  if (!isAppError(error)) return error
  const { findings = [] } = error.context as { readonly findings?: readonly Finding[] }
  if (findings.length === 0) return error
  const said = findings.flatMap(({ subject, message, hint }) =>
    message === error.message ? [hint] : [`${subject}: ${message}`, hint],
  )
  const hint = [error.hint, ...said].filter(text => text !== undefined).join('\n')
  return new AppError(error.code, error.message, { hint, context: error.context, cause: error.cause ?? error })
}

export async function showPlan(call: Call, report: Report): Promise<Output<Printed<'restore'>>> {
  const { reportToText } = await import('../../operations/report/report-text.ts')
  await writeReports(call)
  return { json: report, text: reportToText(report, call.terminal.out), exitCode: report.outcome === 'failed' ? 1 : 0 }
}

/** What a killed restore left at the target is brought to its end first: a safety recovery point of half of it is none. */
export async function settledPlan(call: Call, app: App, make: () => Promise<RestorePlan>): Promise<RestorePlan> {
  const plan = await make()
  if (call.values.flag('dryRun')) return plan
  const { settleRestores } = await import('../../operations/restore/unfinished.ts')
  const settled = await settleRestores(app, plan.survey.place, call.caller)
  return settled.length === 0 ? plan : await make()
}
