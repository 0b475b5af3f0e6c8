import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, systemCode } from '../../base/errors.ts'
import { replaceFile } from '../../base/new-file.ts'
import { privateFolder } from '../../base/private-folder.ts'
import type { Report } from '../../model/report.ts'
import { parseReport } from '../../model/report-schema.ts'
import { renderReport } from './render.ts'

/** Below the state folder. */
export const REPORTS_FOLDER = 'reports'

/** How many are kept; the oldest go. */
export const KEPT_REPORTS = 200

const NAME = /^([A-Za-z0-9][A-Za-z0-9._-]*)\.json$/

/** Keeps a run's report in a folder of ours, which is made if need be. The run's name is the file's. */
export async function keepReport(folder: string, report: Report): Promise<void> {
  await privateFolder(folder)
  await replaceFile(join(folder, `${report.run}.json`), renderReport(report, 'json'), 0o600)
  const kept = await listKept(folder)
  for (const { path } of kept.slice(KEPT_REPORTS)) await rm(path, { force: true })
}

/**
 * The report of a run (the first digits of its id suffice), or the newest. Throws `not-found`, `ambiguous-id`, and `damaged`
 * for a file that is no report.
 */
export async function getReport(folder: string, run: string | undefined): Promise<Report> {
  const kept = await listKept(folder)
  const meant = run === undefined ? kept.slice(0, 1) : kept.filter(each => each.run.startsWith(run))
  const exact = meant.find(each => each.run === run)
  const [only] = exact === undefined ? meant : [exact]
  if (only === undefined) throw notFound(run, kept.length)
  if (exact === undefined && meant.length > 1) {
    throw new AppError('ambiguous-id', `${meant.length} runs begin with ${run}`, {
      hint: 'Give more of its id; "lifeboat report --list" shows them.',
    })
  }
  const report = parseReport(await readFile(only.path, 'utf8'))
  if (report !== undefined) return report
  throw new AppError('failed', `${only.path} is not a report`, {
    hint: 'Remove the file, then run the command that wrote it again.',
  })
}

/** Oldest first, as all lists; files that are no reports are passed over. */
export async function listReports(folder: string): Promise<Report[]> {
  const reports: Report[] = []
  for (const { path } of await listKept(folder)) {
    const report = parseReport(await readFile(path, 'utf8'))
    if (report !== undefined) reports.push(report)
  }
  return reports.toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
}

interface Kept {
  readonly run: string
  readonly path: string
  readonly writtenMs: number
}

/** Newest first. Another process may remove some meanwhile. */
async function listKept(folder: string): Promise<Kept[]> {
  const kept: Kept[] = []
  for (const name of await orMissing(readdir(folder), [])) {
    const run = NAME.exec(name)?.[1]
    if (run === undefined) continue
    const path = join(folder, name)
    const found = await orMissing(stat(path), undefined)
    if (found?.isFile()) kept.push({ run, path, writtenMs: found.mtimeMs })
  }
  return kept.toSorted((a, b) => b.writtenMs - a.writtenMs || b.run.localeCompare(a.run))
}

async function orMissing<T, E>(work: Promise<T>, otherwise: E): Promise<T | E> {
  try {
    return await work
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return otherwise
    throw error
  }
}

function notFound(run: string | undefined, count: number): AppError {
  if (count === 0) {
    return new AppError('not-found', 'there is no report yet', {
      hint: 'Restores and verifications leave one: try "lifeboat verify".',
    })
  }
  return new AppError('not-found', `there is no report of run ${run}`, {
    hint: 'Run "lifeboat report --list" to see which there are.',
  })
}
