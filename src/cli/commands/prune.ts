import type { App } from '../../app/app.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize, parsePart } from '../../base/sizes.ts'
import type { NamedPruneReport, PruneWish } from '../../operations/prune/prune.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const MAX_UNUSED: OptionSpec = {
  flags: '--max-unused <part>',
  summary: 'how much unused space to leave (default: 5%)',
}

export const prune: Command<Printed<'prune'>> = {
  name: 'prune',
  summary: 'delete data that no snapshot uses any more',
  description: ['The only command that deletes data. If it is interrupted, the repository stays intact.'],
  options: [{ flags: '-n, --dry-run', summary: 'only show what would happen' }, MAX_UNUSED],
  examples: [
    { command: 'lifeboat prune --dry-run', explains: 'how much space it would free' },
    { command: 'lifeboat prune --max-unused 0%', explains: 'free every unused byte' },
  ],
  run: async call => {
    const app = await call.openApp()
    const dryRun = call.values.flag('dryRun')
    const several = new SeveralRepositories(call)
    const names = repositoryNames(app, repoOf(call))
    const reports = await several.each(names, name => pruneOne(call, app, name, { dryRun }))
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

/** One repository. `withoutSnapshots` is for a dry run after a dry forget. */
export async function pruneOne(
  call: Call,
  app: App,
  repository: string,
  options: Pick<PruneWish, 'dryRun' | 'withoutSnapshots'>,
): Promise<NamedPruneReport> {
  const { pruneRepository } = await import('../../operations/prune/prune.ts')
  const lockWaitMs = call.values.durationMs('lockWait', '--lock-wait')
  return await pruneRepository(app, { repository, ...options, maxUnused: maxUnusedOf(call), lockWaitMs }, call.caller)
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
