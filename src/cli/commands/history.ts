import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { KINDS, type Kind } from '../../operations/history/events.ts'
import type { Counts, HistoryHour, HistoryResult } from '../../operations/history/history.ts'
import { MARKS } from '../../operations/history/marks.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { type Column, counted, formatTable } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { pastOption } from '../time-options.ts'

const WEEK_MS = 7 * 24 * 60 * 60_000

export const history: Command<Printed<'history'>> = {
  name: 'history',
  summary: 'show hour by hour what was added, overwritten and deleted in a bucket that keeps versions',
  description: [
    'Reads the old versions that the bucket keeps, and needs no password: after an attack the keys may be gone. What neither a backup nor forget nor prune does is marked, and the last second before it is named, for --as-of.',
    'Times are those of the storage’s own clock. Locks are left out: they come and go by design.',
  ],
  options: [
    { flags: '--since <time>', summary: 'only from this time on (default: 7d)' },
    { flags: '--until <time>', summary: 'only up to this time' },
  ],
  examples: [
    { command: 'lifeboat history', explains: 'the last seven days of every repository' },
    { command: 'lifeboat history --repo offsite --since 90d', explains: 'further back, in one repository' },
    {
      command: 'lifeboat snapshots --repo offsite --as-of "2026-09-04 01:59:59"',
      explains: 'what was there before',
    },
  ],
  run: async call => {
    const { readHistory } = await import('../../operations/history/history.ts')
    const since = pastOption(call, 'since') ?? new Date(call.clock.now().getTime() - WEEK_MS)
    const until = pastOption(call, 'until')
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const results = await several.each(repositoryNames(app, repoOf(call)), repository =>
      readHistory(app, { repository, since, until }, call.signal),
    )
    const [first] = results
    if (first !== undefined && results.every(({ keepsVersions }) => !keepsVersions)) throw keepsNothing(first.location)
    return {
      json: {
        repositories: results.map(result => ({
          ...result,
          suspicious: result.suspicious.map(mark => ({ ...mark, message: MARKS[mark.code] })),
          before: result.before ?? null,
        })),
        failed: several.failed,
      },
      text: results.map(result => describe(result, call)).join('\n'),
      exitCode: several.failure?.exitCode ?? 0,
    }
  },
}

const COLUMNS: readonly Column<HistoryHour>[] = [
  { title: 'HOUR', value: ({ hour }) => formatTime(hour).slice(0, 16) },
  { title: 'ADDED', value: ({ added }) => formatCounts(added) },
  { title: 'OVERWRITTEN', value: ({ overwritten }) => formatCounts(overwritten) },
  { title: 'DELETED', value: ({ deleted }) => formatCounts(deleted) },
  { title: '', value: ({ suspicious }) => (suspicious.length === 0 ? '' : '<- suspicious') },
]

function describe(result: HistoryResult, call: Call): string {
  const { repository, location, keepsVersions, hours, undated } = result
  const head = repository === location ? `${location}\n` : `${repository}: ${location}\n`
  if (!keepsVersions) return `${head}Keeps nothing of what was overwritten or deleted.\n`
  if (hours.length === 0) return `${head}Nothing happened there in that time.\n`
  const unknown =
    undated === 0 ? '' : `${counted(undated, 'object')} more were deleted; this storage does not tell when.\n`
  return head + formatTable(COLUMNS, hours, call.terminal.out) + unknown + describeSuspicious(result, call)
}

function describeSuspicious({ repository, suspicious, before }: HistoryResult, call: Call): string {
  if (before === undefined) return 'Nothing suspicious.\n'
  const lines = suspicious.map(({ code, at }) => `  ${formatTime(at)}  ${MARKS[code]}\n`)
  const title = call.terminal.out('yellow', 'Suspicious, unless somebody of yours did it:')
  return `${title}\n${lines.join('')}To see what was there before: lifeboat snapshots --repo ${repository} --as-of "${formatTime(before)}"\n`
}

function keepsNothing(location: string): AppError {
  return new AppError('unsupported', `${location} keeps nothing of what was overwritten or deleted`, {
    hint: 'Only buckets that keep versions do: turn versioning on for the next time. See docs/guide/after-an-attack.md.',
  })
}

const ONE: Readonly<Record<Kind, string>> = {
  packs: 'pack',
  indexes: 'index file',
  snapshots: 'snapshot',
  keys: 'key',
  config: 'config',
  pins: 'pin',
  logs: 'log file',
  other: 'other object',
}

function formatCounts(counts: Counts): string {
  const parts = KINDS.flatMap(kind => {
    const count = counts[kind]
    if (count === undefined) return []
    return kind === 'config' && count === 1 ? ['config'] : [counted(count, ONE[kind])]
  })
  return parts.length === 0 ? '-' : parts.join(', ')
}
