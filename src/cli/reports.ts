import { stat } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { AppError, messageOf, systemCode } from '../base/errors.ts'
import { replaceFile } from '../base/new-file.ts'
import type { Report } from '../model/report.ts'
import type { ReportFormat } from '../operations/report/render.ts'
import type { Call, OptionSpec } from './command.ts'

/** Of every command that leaves a report. */
export const REPORT_OPTION: OptionSpec = {
  flags: '--report <file>',
  summary: 'also write the report to this file: .html, .json or .txt',
  complete: 'files',
}

const FORMATS: Readonly<Record<string, ReportFormat>> = {
  '.html': 'html',
  '.htm': 'html',
  '.json': 'json',
  '.txt': 'txt',
}

/**
 * To be called before anything is done: a file that can't be written is better known then. Throws `usage` for an ending
 * that says no form, `target-invalid` for a folder that is not there.
 */
export async function checkReportOption(call: Call): Promise<void> {
  const file = call.values.text('report')
  if (file === undefined) return
  formatOf(file)
  const folder = dirname(resolve(file))
  const found = await stat(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  })
  if (found?.isDirectory()) return
  throw new AppError('target-invalid', `the report cannot be written: there is no folder ${folder}`, {
    hint: 'Make it, or name another file with --report.',
  })
}

/**
 * Writes what operations have reported to the file of `--report`, if there is one. Throws `incomplete` when it can't be
 * written: what the report tells of has happened all the same, and the kept one has it.
 */
export async function writeReports(call: Call): Promise<void> {
  await writeReportOption(call, call.reports.at(-1))
}

/** To the file of `--report` alone, if there is one and something to write. */
export async function writeReportOption(call: Call, report: Report | undefined): Promise<void> {
  const file = call.values.text('report')
  if (file !== undefined && report !== undefined) await writeReport(resolve(file), report)
}

/** Writes one file, whole or not at all, for its owner only. Throws `usage` or `incomplete`. */
export async function writeReport(file: string, report: Report): Promise<void> {
  const { renderReport } = await import('../operations/report/render.ts')
  const text = renderReport(report, formatOf(file))
  try {
    await replaceFile(file, text, 0o600)
  } catch (error) {
    throw new AppError(
      'incomplete',
      `the ${report.title} ended, but its report cannot be written: ${messageOf(error)}`,
      {
        hint: `Write it elsewhere with: lifeboat report ${report.run.slice(0, 8)} --html FILE`,
        context: { file, run: report.run, outcome: report.outcome },
        cause: error,
      },
    )
  }
}

function formatOf(file: string): ReportFormat {
  const format = FORMATS[extname(file).toLowerCase()]
  if (format !== undefined) return format
  throw new AppError('usage', `cannot tell the form of the report from "${file}"`, {
    hint: 'Let its name end in .html, .json or .txt.',
  })
}
