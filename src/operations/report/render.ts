import type { Report } from '../../model/report.ts'
import { reportToHtml } from './report-html.ts'
import { plain, reportToText } from './report-text.ts'

export type ReportFormat = 'html' | 'json' | 'txt'

const RENDERERS: Readonly<Record<ReportFormat, (report: Report) => string>> = {
  html: reportToHtml,
  json: report => `${JSON.stringify(report, undefined, 2)}\n`,
  txt: report => reportToText(report, plain),
}

/** The content of a file in one of the forms; equal reports give equal bytes. */
export function renderReport(report: Report, format: ReportFormat): string {
  return RENDERERS[format](report)
}
