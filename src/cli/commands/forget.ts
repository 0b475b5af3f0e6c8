import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { RetentionRules } from '../../model/retention.ts'
import { parseRetentionDuration } from '../../model/retention-time.ts'
import type { ForgetGroup, SourcePolicy } from '../../operations/forget/forget.ts'
import type { NeededSnapshot } from '../../operations/restore/needed-snapshots.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted } from '../printers/text.ts'
import {
  type ChosenSnapshot,
  chooseSnapshot,
  isIdPrefix,
  repositoriesOf,
  repositoryNames,
  sourceNames,
} from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { describePrune, MAX_UNUSED, type NamedPruneReport, pruneOne } from './prune.ts'

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
  { flags: '--keep-within <span>', summary: 'keep all so near to the newest, as 30d or 1y6m' },
  ...SPANS.slice(1, -1).map(name => ({
    flags: `${flagOf(name)} <span>`,
    summary: `keep ${name.replace('within', '').toLowerCase()} ones so near to the newest`,
  })),
  { flags: '--keep-window <span>', summary: 'keep what it takes to recover any moment of the last so long' },
  { flags: '--keep-tag <tag>', summary: 'keep all with this tag', repeat: true },
]

export const forget: Command = {
  name: 'forget',
  summary: 'drop snapshots that no rule keeps',
  description: [
    'The rules come from the options, or from "keep" in the policies. A snapshot stays if any policy of its source keeps it: each policy judges those that were taken for it, and all judge those that were taken for none. The newest snapshot of each source always stays, and what other programs wrote is not touched. Space comes free with --prune, or by "lifeboat prune".',
    'What "lifeboat undo" offers stays too: for 30 days, and for the last restore of each target until it is undone.',
    'Ids in place of sources drop just these snapshots, whatever the rules say and whoever wrote them.',
  ],
  arguments: [
    { name: 'sources', summary: 'names of sources (default: all), or ids', variadic: true, complete: 'sources' },
  ],
  options: [
    ...KEEP_OPTIONS,
    { flags: '--prune', summary: 'free the space afterwards' },
    { flags: '-n, --dry-run', summary: 'only say what would happen' },
    MAX_UNUSED,
  ],
  examples: [
    { command: 'lifeboat forget --dry-run', explains: 'what the policies would drop' },
    { command: 'lifeboat forget app --keep-last 3 --prune', explains: 'all but three, and free the space' },
    { command: 'lifeboat forget app --keep-daily 7 --keep-monthly 12', explains: 'a week of days, a year of months' },
    { command: 'lifeboat forget 3f2a11c0 --dry-run', explains: 'one snapshot, by its id' },
  ],
  run: async call => {
    const app = await call.openApp()
    const dryRun = call.values.flag('dryRun')
    const ids = namedIds(call, app)
    const several = new SeveralRepositories(call)
    const works = ids.length > 0 ? await namedWorks(call, app, ids, dryRun) : ruledWorks(call, app, dryRun)
    const done = await several.each(works.keys(), async repository => ({
      repository,
      groups: (await works.get(repository)?.()) ?? [],
    }))
    const forgotten = done.flatMap(each => each.groups)
    const touched = done.map(each => each.repository)
    const prune = call.values.flag('prune')
      ? await several.each(touched, name => pruneAfter(call, app, name, forgotten, dryRun))
      : undefined
    return {
      json: { dryRun, groups: forgotten.map(groupToJson), prune: prune ?? null, failed: several.failed },
      exitCode: several.failure?.exitCode ?? 0,
      text: `${forgotten.map(each => describe(each, dryRun, call)).join('')}${(prune ?? []).map(report => describePrune(report, dryRun, call)).join('')}`,
      findings: (prune ?? []).flatMap(report => report.findings),
    }
  },
}

/** What is to be done in each repository. */
type Works = ReadonlyMap<string, () => Promise<Forgotten[]>>

function ruledWorks(call: Call, app: App, dryRun: boolean): Works {
  return new Map(tasksOf(call, app).map(task => [task.repository, () => forgetOne(call, app, task, dryRun)]))
}

/** What is to be forgotten in one repository, by which rules. */
interface Task {
  readonly repository: string
  readonly sources: readonly string[]
  readonly policies: readonly SourcePolicy[]
}

interface Forgotten extends ForgetGroup {
  readonly repository: string
}

function tasksOf(call: Call, app: App): Task[] {
  const keep = rulesOf(call)
  const sources = sourceNames(call, app)
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone
  if (keep !== undefined) {
    const pairs = sources.flatMap(source => repositoriesOf(call, app, source).map(name => ({ source, name })))
    const byRepository = Map.groupBy(pairs, pair => pair.name)
    return [...byRepository].map(([repository, members]) => {
      const own = members.map(member => member.source)
      return { repository, sources: own, policies: [{ name: undefined, sources: own, keep, timezone: here }] }
    })
  }
  const tasks = repositoryNames(call, app).flatMap(repository => {
    const policies = [...app.config.policies]
      .filter(([, policy]) => policy.repositories.includes(repository))
      .map(([name, policy]) => ({
        name,
        sources: policy.sources,
        keep: policy.keep,
        timezone: policy.timezone ?? here,
      }))
    const ruled = new Set(policies.flatMap(policy => (policy.keep === undefined ? [] : policy.sources)))
    const own = sources.filter(source => ruled.has(source))
    return own.length === 0 ? [] : [{ repository, sources: own, policies }]
  })
  if (tasks.length > 0) return tasks
  throw new AppError('usage', 'no rule says which snapshots to keep', {
    hint: 'Give at least one, like --keep-last 3 or --keep-daily 7, or "keep" in a policy of the source.',
  })
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

async function forgetOne(call: Call, app: App, task: Task, dryRun: boolean): Promise<Forgotten[]> {
  const operation = await import('../../operations/forget/forget.ts')
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const repository = await app.openRepository(task.repository)
  const needed = await neededIn(app, task.repository)
  const run = () =>
    operation.forget({
      repository,
      sources: task.sources,
      policies: task.policies,
      needed,
      hostname: app.host().hostname,
      dryRun,
      clock: app.clock,
      signal: call.signal,
      lockWaitMs: call.values.durationMs('lockWait', '--lock-wait'),
      // Once a repository, after all its tasks.
      prune: undefined,
    })
  const { groups } = dryRun
    ? await run()
    : await recordRun(
        { catalog: app.catalog(), clock: app.clock },
        { operation: 'forget', repository: task.repository },
        run,
        ({ removed }) => ({ outcome: 'done', statistics: { removed }, findings: [] }),
      )
  return groups.map(group => ({ ...group, repository: task.repository }))
}

/** What restores from here still need of a repository. */
async function neededIn(app: App, repository: string): Promise<readonly NeededSnapshot[]> {
  const { RestoreJournal } = await import('../../operations/restore/journal.ts')
  const { listNeededSnapshots } = await import('../../operations/restore/needed-snapshots.ts')
  const entries = await new RestoreJournal(await app.stateFolder(), app.clock).list()
  return listNeededSnapshots(entries, app.clock.now()).filter(needed => needed.repository === repository)
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

async function namedWorks(call: Call, app: App, ids: readonly string[], dryRun: boolean): Promise<Works> {
  const chosen = await Promise.all(ids.map(prefix => chooseSnapshot(call, app, undefined, { kind: 'id', prefix })))
  const members = Map.groupBy(chosen, each => each.name)
  return new Map([...members].map(([name, each]) => [name, () => forgetNamed(call, app, name, each, dryRun)]))
}

async function forgetNamed(
  call: Call,
  app: App,
  name: string,
  members: readonly ChosenSnapshot[],
  dryRun: boolean,
): Promise<Forgotten[]> {
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const repository = await app.openRepository(name)
  await refuseNeeded(app, name, members)
  const remove = [...new Map(members.map(({ snapshot }) => [snapshot.id, snapshot])).values()]
  const ids = remove.map(({ id }) => id)
  const lockWaitMs = call.values.durationMs('lockWait', '--lock-wait')
  if (!dryRun) {
    await recordRun(
      { catalog: app.catalog(), clock: app.clock },
      { operation: 'forget', repository: name },
      () => repository.removeSnapshots(ids, { signal: call.signal, lockWaitMs }),
      () => ({ outcome: 'done', statistics: { removed: ids.length }, findings: [] }),
    )
  }
  return [{ repository: name, group: 'named', keep: [], remove }]
}

/** Named by its id, a snapshot goes whatever keeps it; but not from under a restore that has not ended. */
async function refuseNeeded(app: App, repository: string, members: readonly ChosenSnapshot[]): Promise<void> {
  for (const { snapshot, reason, unfinished } of await neededIn(app, repository)) {
    if (!unfinished || !members.some(member => member.snapshot.id === snapshot)) continue
    throw new AppError('usage', `snapshot ${snapshot.slice(0, SHORT_ID_DIGITS)} is ${reason}`, {
      hint: 'Let that restore come to its end first: "lifeboat undo --list" shows it.',
    })
  }
}

function pruneAfter(
  call: Call,
  app: App,
  name: string,
  forgotten: readonly Forgotten[],
  dryRun: boolean,
): Promise<NamedPruneReport> {
  const gone = forgotten.filter(each => each.repository === name).flatMap(each => each.remove.map(({ id }) => id))
  return pruneOne(call, app, name, { dryRun, withoutSnapshots: dryRun ? gone : undefined })
}

const plain = ({ id, time }: Snapshot) => ({ id, shortId: id.slice(0, SHORT_ID_DIGITS), time })

function groupToJson({ repository, group, keep, remove }: Forgotten): unknown {
  return {
    repository,
    group,
    keep: keep.map(({ snapshot, reasons }) => ({ ...plain(snapshot), reasons })),
    remove: remove.map(plain),
  }
}

function line(snapshot: Snapshot, verb: string, why: string): string {
  return `  ${verb}  ${snapshot.id.slice(0, SHORT_ID_DIGITS)}  ${formatTime(snapshot.time)}  ${why}`.trimEnd()
}

function describe({ repository, group, keep, remove }: Forgotten, dryRun: boolean, call: Call): string {
  const paint = call.terminal.out
  const lines = [
    ...keep.map(({ snapshot, reasons }) => line(snapshot, paint('green', 'keep'), reasons.join(', '))),
    ...remove.map(snapshot => line(snapshot, paint('red', dryRun ? 'would drop' : 'dropped'), '')),
  ]
  const head = `${group} in ${repository}: ${counted(keep.length, 'snapshot')} kept, ${remove.length} ${dryRun ? 'would be dropped' : 'dropped'}`
  return `${head}\n${lines.join('\n')}\n`
}
