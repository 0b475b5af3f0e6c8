import type { App } from '../../app/app.ts'
import { ERROR_CODES } from '../../base/error-codes.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize, parsePart, parseSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { NamedPruneReport, PruneWish } from '../../operations/prune/prune.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import { prunedJson } from '../../outputs/maintenance.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const PRUNE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--max-unused <part>', summary: 'how much unused space to leave (default: 5%)' },
  {
    flags: '--max-repack <size>',
    summary: 'rewrite packs of at most this size, as 10G; 0: only delete those that nothing needs',
  },
]

export const WITHOUT_LOCK: OptionSpec = {
  flags: '--without-lock',
  summary: 'for a storage too full for a lock file; make sure first that nothing else uses the repository',
}

export const prune: Command<Printed<'prune'>> = {
  name: 'prune',
  summary: 'delete data that no snapshot uses any more',
  description: [
    'The only command that deletes data. If it is interrupted, the repository stays intact, and the next run goes on from there.',
    'Backups go on meanwhile: it needs the repository for itself only for moments, and waits for them while a backup runs (--lock-wait).',
    'Where the storage refuses to remove what is locked, it stays until the lock ends. Then the exit status is 3, and the date is shown.',
  ],
  options: [{ flags: '-n, --dry-run', summary: 'only show what would happen' }, ...PRUNE_OPTIONS, WITHOUT_LOCK],
  examples: [
    { command: 'lifeboat prune --dry-run', explains: 'how much space it would free' },
    { command: 'lifeboat prune --max-unused 0%', explains: 'free every unused byte' },
    { command: 'lifeboat prune --max-repack 5G', explains: 'a part each night' },
    { command: 'lifeboat prune --without-lock', explains: 'make room in a storage that takes nothing any more' },
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
        repositories: reports.map(prunedJson),
        failed: several.failed,
      },
      text: reports.map(report => describePrune(report, dryRun, call)).join(''),
      exitCode: several.failure?.exitCode ?? exitCodeOf(reports),
      findings: reports.flatMap(report => report.findings),
    }
  },
}

/** What is locked goes later. */
export function exitCodeOf(reports: readonly NamedPruneReport[]): number {
  const isPartial = reports.some(({ waiting, findings }) => waiting || findings.some(isOutdatedIndex))
  return isPartial ? ERROR_CODES.incomplete.exit : 0
}

const isOutdatedIndex = ({ code }: Finding): boolean => code === 'index-outdated'

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** One repository. `withoutSnapshots` is for a dry run after a dry forget. */
export async function pruneOne(
  call: Call,
  app: App,
  repository: string,
  options: Pick<PruneWish, 'dryRun' | 'withoutSnapshots'>,
): Promise<NamedPruneReport> {
  const { pruneRepository } = await import('../../operations/prune/prune.ts')
  const wish = {
    repository,
    ...options,
    maxUnused: maxUnusedOf(call),
    maxRepackBytes: maxRepackOf(call),
    withoutLock: call.values.flag('withoutLock'),
    lockWaitMs: call.values.durationMs('lockWait', '--lock-wait'),
  }
  return await pruneRepository(app, wish, call.caller)
}

function maxRepackOf(call: Call): number | undefined {
  const text = call.values.text('maxRepack')
  const size = text === undefined ? undefined : parseSize(text)
  if (text === undefined || size !== undefined) return size
  throw new AppError('usage', `--max-repack cannot be "${text}"`, { hint: 'Give a size like 500M, 10G or 0.' })
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
