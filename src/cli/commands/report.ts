import { extname, resolve } from 'node:path'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { type Column, counted, formatTable } from '../printers/text.ts'
import { writeReport } from '../reports.ts'

export const report: Command<Printed<'report'>> = {
  name: 'report',
  summary: 'show the report of a restore or verification',
  description: [
    'Every restore and verification leaves a report: what was done, each step and how long it took, what was checked, and what to type next. The newest 200 are kept in the state folder.',
  ],
  arguments: [{ name: 'run', summary: 'id of the run, or its first digits (default: the newest)' }],
  options: [
    { flags: '--html <file>', summary: 'write it as a single self-contained HTML file', complete: 'files' },
    { flags: '--list', summary: 'list all reports, oldest first' },
  ],
  examples: [
    { command: 'lifeboat report', explains: 'the newest' },
    { command: 'lifeboat report --list', explains: 'all reports' },
    { command: 'lifeboat report 5b0c9f3e --html report.html', explains: 'as a page to share or print' },
  ],
  run: async call => {
    const { getReport, listReports, REPORTS_FOLDER } = await import('../../operations/report/report-store.ts')
    const folder = await (await call.openApp()).stateFolder(REPORTS_FOLDER)
    if (call.values.flag('list')) return listing(await listReports(folder), call)
    const html = htmlFile(call)
    const shown = await getReport(folder, call.values.text('run'))
    if (html !== undefined) {
      await writeReport(html, shown)
      return { json: shown, text: `Wrote the report of the ${shown.title} to ${html}\n` }
    }
    const { reportToText } = await import('../../operations/report/report-text.ts')
    return { json: shown, text: reportToText(shown, call.terminal.out) }
  },
}

function htmlFile(call: Call): string | undefined {
  const file = call.values.text('html')
  if (file === undefined) return undefined
  if (/^\.html?$/i.test(extname(file))) return resolve(file)
  throw new AppError('usage', `"${file}" does not end in .html`, { hint: 'Name the file like report.html.' })
}

function listing(reports: readonly Report[], call: Call): Output<Printed<'report'>> {
  const columns: Column<Report>[] = [
    { title: 'RUN', value: each => each.run.slice(0, 8) },
    { title: 'TIME', value: each => formatTime(each.startedAt) },
    { title: 'TOOK', value: each => formatDuration(each.durationMs), right: true },
    { title: 'OUTCOME', value: each => each.outcome },
    { title: 'WHAT', value: each => each.title },
  ]
  const text =
    reports.length === 0
      ? 'No reports yet: a restore or "lifeboat verify" leaves one.\n'
      : `${formatTable(columns, reports, call.terminal.out)}${counted(reports.length, 'report')}\n`
  return { json: reports, text }
}
