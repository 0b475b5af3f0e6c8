import { messageOf } from '../../base/errors.ts'
import type { Report } from '../../model/report.ts'
import type { Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { keepReport, REPORTS_FOLDER } from './report-store.ts'

/** Tells it, and keeps it in the state folder. What is done has not failed because no record of it could be written. */
export async function keepReportOf(workspace: Workspace, run: Run, report: Report): Promise<void> {
  run.tell({ kind: 'report', report })
  try {
    await keepReport(await workspace.stateFolder(REPORTS_FOLDER), report)
  } catch (error) {
    run.logger.warn(`the report of this run could not be kept: ${messageOf(error)}`)
  }
}
