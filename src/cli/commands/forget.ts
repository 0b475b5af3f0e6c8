import type { App } from '../../app/app.ts'
import { ERROR_CODES } from '../../base/error-codes.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { RetentionRules } from '../../model/retention.ts'
import { parseRetentionDuration } from '../../model/retention-time.ts'
import type { ForgetWish, Forgotten, ForgottenIn } from '../../operations/forget/forget-snapshots.ts'
import type { NamedPruneReport } from '../../operations/prune/prune.ts'
import { isIdPrefix } from '../../operations/snapshots/choose-snapshot.ts'
import { forgottenJson, prunedJson } from '../../outputs/maintenance.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { describePrune, exitCodeOf, PRUNE_OPTIONS, pruneOne, WITHOUT_LOCK } from './prune.ts'

const COUNTS = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
const SPANS = [
  'within',
  'withinHourly',
  'withinDaily',
  'withinWeekly',
  'withinMonthly',
  'withinYearly',
  'window',
] as const

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
const flagOf = (name: string): string => `--keep-${kebab(name)}`
const valueOf = (name: string): string => `keep${name.charAt(0).toUpperCase()}${name.slice(1)}`

const KEEP_OPTIONS: readonly OptionSpec[] = [
  { flags: '--keep-last <n>', summary: 'keep the newest n' },
  ...COUNTS.slice(1).map(name => ({
    flags: `${flagOf(name)} <n>`,
    summary: `keep the newest of each of the last n ${name === 'daily' ? 'days' : `${name.replace(/ly$/, '')}s`}`,
  })),
  { flags: '--keep-within <span>', summary: 'keep everything this close to the newest, like 30d or 1y6m' },
  ...SPANS.slice(1, -1).map(name => ({
    flags: `${flagOf(name)} <span>`,
    summary: `keep ${name.replace('within', '').toLowerCase()} ones so near to the newest`,
  })),
  { flags: '--keep-window <span>', summary: 'keep what is needed to recover to any moment in this span' },
  { flags: '--keep-tag <tag>', summary: 'keep everything with this tag', repeat: true },
]

export const forget: Command<Printed<'forget'>> = {
  name: 'forget',
  summary: 'remove snapshots that no retention rule keeps',
  description: [
    'Takes the rules from the options, or from "keep" in the policies. A snapshot is kept if any policy of its source keeps it: each policy judges the snapshots taken for it, and every policy judges those taken for none. The newest snapshot of each source is always kept, and snapshots of other programs are left alone. To free the space, add --prune or run "lifeboat prune".',
    'Snapshots that "lifeboat undo" needs are kept too: for 30 days, and for the last restore of each target until it is undone.',
    'Pinned snapshots are kept whatever the rules say: see "lifeboat pin".',
    'Kept too: the newest snapshot that is whole, the newest that is proven, and all of a run of a policy of which one is kept, for they belong together. A snapshot dated in the future, or after it was stored, is kept, counts for nothing and is reported. Where the clock of this machine is wrong, that of the storage is followed.',
    'Given ids instead of sources, removes exactly these snapshots, whatever the rules say and whoever wrote them. Refuses pinned ones: run "lifeboat unpin" first.',
  ],
  arguments: [
    { name: 'sources', summary: 'names of sources (default: all), or ids', variadic: true, complete: 'sources' },
  ],
  options: [
    ...KEEP_OPTIONS,
    { flags: '--prune', summary: 'also delete unused data afterwards' },
    { flags: '-n, --dry-run', summary: 'only show what would happen' },
    ...PRUNE_OPTIONS,
    WITHOUT_LOCK,
  ],
  examples: [
    { command: 'lifeboat forget --dry-run', explains: 'show what the policies would remove' },
    { command: 'lifeboat forget app --keep-last 3 --prune', explains: 'keep three, and free the space' },
    {
      command: 'lifeboat forget app --keep-daily 7 --keep-monthly 12',
      explains: 'one a day for a week, one a month for a year',
    },
    { command: 'lifeboat forget 3f2a11c0 --dry-run', explains: 'one snapshot, by its id' },
  ],
  run: async call => {
    const app = await call.openApp()
    const dryRun = call.values.flag('dryRun')
    const ids = namedIds(call, app)
    const wish = {
      sources: call.values.list('sources'),
      keep: rulesOf(call),
      repository: repoOf(call),
      dryRun,
      lockWaitMs: call.values.durationMs('lockWait', '--lock-wait'),
      withoutLock: call.values.flag('withoutLock'),
    }
    const several = new SeveralRepositories(call)
    const works = ids.length > 0 ? await namedWorks(call, app, ids, wish) : await ruledWorks(call, app, wish)
    const done = await several.each(works.keys(), async repository => ({
      repository,
      ...((await works.get(repository)?.()) ?? { groups: [], locked: 0 }),
    }))
    const isLocked = done.some(each => each.locked > 0)
    const forgotten = done.flatMap(each => each.groups)
    const touched = done.map(each => each.repository)
    const prune = call.values.flag('prune')
      ? await several.each(touched, name => pruneAfter(call, app, name, forgotten, dryRun))
      : undefined
    return {
      json: {
        dryRun,
        groups: forgotten.map(forgottenJson),
        prune: prune?.map(prunedJson) ?? null,
        failed: several.failed,
      },
      exitCode: several.failure?.exitCode ?? (isLocked ? ERROR_CODES.incomplete.exit : exitCodeOf(prune ?? [])),
      text: `${forgotten.map(each => describe(each, dryRun, call)).join('')}${(prune ?? []).map(report => describePrune(report, dryRun, call)).join('')}`,
      findings: (prune ?? []).flatMap(report => report.findings),
    }
  },
}

/** What is to be done in each repository. */
type Works = ReadonlyMap<string, () => Promise<ForgottenIn>>

async function ruledWorks(call: Call, app: App, wish: ForgetWish): Promise<Works> {
  const { forgetTask, forgetTasks } = await import('../../operations/forget/forget-snapshots.ts')
  const tasks = forgetTasks(app, wish)
  return new Map(tasks.map(task => [task.repository, () => forgetTask(app, task, wish, call.caller)]))
}

async function namedWorks(call: Call, app: App, ids: readonly string[], wish: ForgetWish): Promise<Works> {
  const { findNamed, forgetNamed } = await import('../../operations/forget/forget-snapshots.ts')
  const named = await findNamed(app, ids, wish.repository, call.caller)
  return new Map([...named].map(([name, each]) => [name, () => forgetNamed(app, name, each, wish, call.caller)]))
}

/** The rules of the options; undefined when none was given. */
function rulesOf(call: Call): RetentionRules | undefined {
  const counts = COUNTS.map(name => [name, call.values.count(valueOf(name), flagOf(name))] as const)
  const spans = SPANS.map(name => {
    const text = call.values.text(valueOf(name))
    return [name, text === undefined ? undefined : parseRetentionDuration(text)] as const
  })
  const tags = call.values.list('keepTag')
  const given = [...counts, ...spans].filter(([, value]) => value !== undefined)
  if (given.length === 0 && tags.length === 0) return undefined
  return { ...Object.fromEntries(given), ...(tags.length === 0 ? {} : { tags }) }
}

/** The arguments, when they are ids of snapshots; empty when they are sources. `usage` for a mixture. */
function namedIds(call: Call, app: App): readonly string[] {
  const named = call.values.list('sources')
  const ids = named.filter(name => !app.config.sources.has(name) && isIdPrefix(name))
  if (ids.length > 0 && (ids.length < named.length || rulesOf(call) !== undefined)) {
    throw new AppError('usage', 'ids of snapshots go with neither sources nor rules', {
      hint: 'Give ids alone, or sources and rules.',
    })
  }
  return ids
}

function pruneAfter(
  call: Call,
  app: App,
  name: string,
  forgotten: readonly Forgotten[],
  dryRun: boolean,
): Promise<NamedPruneReport> {
  const gone = forgotten
    .filter(each => each.repository === name)
    .flatMap(each => each.remove.map(({ snapshot }) => snapshot.id))
  return pruneOne(call, app, name, { dryRun, withoutSnapshots: dryRun ? gone : undefined })
}

function line(snapshot: Snapshot, verb: string, why: string): string {
  return `  ${verb}  ${snapshot.id.slice(0, SHORT_ID_DIGITS)}  ${formatTime(snapshot.time)}  ${why}`.trimEnd()
}

function describe({ repository, group, keep, remove }: Forgotten, dryRun: boolean, call: Call): string {
  const paint = call.terminal.out
  const lines = [
    ...keep.map(({ snapshot, reasons }) => line(snapshot, paint('green', 'keep'), reasons.join(', '))),
    ...remove.map(({ snapshot, reasons }) =>
      line(snapshot, paint('red', dryRun ? 'would drop' : 'dropped'), reasons.join('; ')),
    ),
  ]
  const head = `${group} in ${repository}: ${counted(keep.length, 'snapshot')} kept, ${remove.length} ${dryRun ? 'would be dropped' : 'dropped'}`
  return `${head}\n${lines.join('\n')}\n`
}
