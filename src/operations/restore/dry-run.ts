import type { Report } from '../../model/report.ts'
import { keepReportOf } from '../report/keep.ts'
import { type Caller, lookAround } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { RestorePlan } from './plan.ts'
import { planReport } from './restore-report.ts'

/** A plan as a report, which is kept as those of restores are. */
export async function reportPlan(workspace: Workspace, plan: RestorePlan, caller: Caller): Promise<Report> {
  const report = planReport(plan)
  await lookAround(workspace, caller, run => keepReportOf(workspace, run, report))
  return report
}
