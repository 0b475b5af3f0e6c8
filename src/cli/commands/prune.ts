import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize, parsePart } from '../../base/sizes.ts'
import type { PruneReport } from '../../repository/index.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { repositoryNames } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const MAX_UNUSED: OptionSpec = {
  flags: '--max-unused <part>',
  summary: 'unused space to tolerate, as a part of all (default: 5%)',
}

export const prune: Command = {
  name: 'prune',
  summary: 'free the space of what no snapshot uses any more',
  description: ['The only command that deletes data. Interrupted at any moment, it leaves a whole repository.'],
  options: [{ flags: '-n, --dry-run', summary: 'only say what would happen' }, MAX_UNUSED],
  examples: [
    { command: 'lifeboat prune --dry-run', explains: 'how much would come free' },
    { command: 'lifeboat prune --max-unused 0%', explains: 'free every byte' },
  ],
  run: async call => {
    const app = await call.openApp()
    const dryRun = call.values.flag('dryRun')
    const several = new SeveralRepositories(call)
    const reports = await several.each(repositoryNames(call, app), name => pruneOne(call, app, name, { dryRun }))
    return {
      json: {
        dryRun,
        bytesBefore: sum(reports.map(report => report.bytesBefore)),
        bytesAfter: sum(reports.map(report => report.bytesAfter)),
        findings: reports.flatMap(report => report.findings),
        repositories: reports,
        failed: several.failed,
      },
      text: reports.map(report => describePrune(report, dryRun, call)).join(''),
      exitCode: several.failure?.exitCode ?? 0,
      findings: reports.flatMap(report => report.findings),
    }
  },
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

export interface NamedPruneReport extends PruneReport {
  readonly repository: string
  /** Files of PostgreSQL's log that no backup needs any more; absent where there is no log. */
  readonly log?: { readonly files: number; readonly bytes: number }
}

/** One repository, as a recorded run. `withoutSnapshots` is for a dry run after a dry forget. */
export async function pruneOne(
  call: Call,
  app: App,
  name: string,
  options: { readonly dryRun: boolean; readonly withoutSnapshots?: readonly string[] | undefined },
): Promise<NamedPruneReport> {
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const maxUnused = maxUnusedOf(call)
  const repository = await app.openRepository(name)
  const expire = async (): Promise<Pick<NamedPruneReport, 'log' | 'findings'>> => {
    const { expireWal } = await import('../../operations/wal/expire.ts')
    const { dryRun, withoutSnapshots } = options
    const { found, files, bytes, findings } = await expireWal(repository, {
      dryRun,
      withoutSnapshots,
      signal: call.signal,
    })
    return { findings, ...(found ? { log: { files, bytes } } : {}) }
  }
  const run = async (): Promise<NamedPruneReport> => {
    const report = await pruneData()
    const { findings, log } = await expire()
    return { ...report, repository: name, findings: [...report.findings, ...findings], ...(log ? { log } : {}) }
  }
  const pruneData = (): Promise<PruneReport> =>
    repository.prune({
      ...options,
      maxUnused,
      lockWaitMs: call.values.durationMs('lockWait', '--lock-wait'),
      signal: call.signal,
      onProgress: ({ step, ...progress }) => call.progress.update({ label: `prune ${name}: ${step}`, ...progress }),
    })
  if (options.dryRun) return await run()
  return await recordRun(
    { catalog: app.catalog(), clock: app.clock },
    { operation: 'prune', repository: name },
    run,
    ({ findings, bytesBefore, bytesAfter, packsRemoved, packsRepacked }) => ({
      outcome: 'done',
      statistics: { bytesBefore, bytesAfter, packsRemoved, packsRepacked },
      findings,
    }),
  )
}

function maxUnusedOf(call: Call): number | undefined {
  const text = call.values.text('maxUnused')
  if (text === undefined) return undefined
  const part = /^0+(\.0+)?\s*%?$/.test(text) ? 0 : parsePart(text)
  if (part !== undefined) return part
  throw new AppError('usage', `--max-unused cannot be "${text}"`, { hint: 'Give a part like 5% or 0%.' })
}

export function describePrune(report: NamedPruneReport, dryRun: boolean, call: Call): string {
  const { repository, log, packsRemoved, packsRepacked, bytesBefore, bytesAfter, bytesUnusedLeft, findings } = report
  const freed = formatSize(Math.max(0, bytesBefore - bytesAfter))
  const verb = dryRun ? 'would free' : 'freed'
  return (
    `${repository}: ${verb} ${freed} of ${formatSize(bytesBefore)}: ${counted(packsRemoved, 'pack')} removed, ${packsRepacked} repacked, ${formatSize(bytesUnusedLeft)} unused left\n` +
    (log === undefined
      ? ''
      : `${repository}: ${verb} ${formatSize(log.bytes)} of log: ${counted(log.files, 'file')}\n`) +
    formatFindings(findings, call.terminal.out)
  )
}
