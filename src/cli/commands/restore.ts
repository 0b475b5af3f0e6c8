import { randomUUID } from 'node:crypto'
import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { RecoveryRequest, RecoveryTarget } from '../../model/recovery-target.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { SafeRestoreResult } from '../../operations/restore/safely.ts'
import type { SnapshotWish } from '../../operations/snapshots/find-snapshot.ts'
import type { DatabaseSelection, Source } from '../../sources/source.ts'
import type { Call, Command, Output } from '../command.ts'
import { chooseBackup, recoveryRequestOf, recoveryTargetOf, tablespacesOf } from '../recovery.ts'
import { checkReportOption, saveReport } from '../reports.ts'
import { confirmChange } from '../restore/confirm.ts'
import { describeRestore, failureReport, planReport, restoreReport, restoreToJson } from '../restore/describe.ts'
import { RESTORE_OPTIONS } from '../restore/options.ts'
import { isOwnPlace, restorePlaces } from '../restore/places.ts'
import { ANY, isPhysical, strategyOf, targetOf } from '../restore/target.ts'
import { type ChosenSnapshot, chooseSnapshot, parseSnapshotWish } from '../selection.ts'

export const restore: Command = {
  name: 'restore',
  summary: 'bring a recovery point back',
  description: [
    'Writes beside the target, checks what was written, then puts it in place in one step. Every byte is checked against its hash. A restore that was interrupted is taken up again by the same command.',
    'Where something is there already, it asks first, on a terminal, and else wants --yes. What is there is made safe before it is changed; "lifeboat undo" puts it back. Whatever fails on the way is taken back at once. A source that is not in the configuration, such as another machine’s, can be restored with --to.',
  ],
  arguments: [
    {
      name: 'source',
      summary: `name of the source; "${ANY}" for a snapshot of another program`,
      required: true,
      complete: 'sources',
    },
    { name: 'snapshot', summary: 'latest (default), a time like "3h ago", or an id', complete: ['latest'] },
  ],
  options: RESTORE_OPTIONS,
  examples: [
    { command: 'lifeboat restore app latest --to ./restored.db', explains: 'the newest, beside the original' },
    { command: 'lifeboat restore app --dry-run', explains: 'what replacing the database would change' },
    { command: 'lifeboat restore app "2026-09-04 02:00" --yes', explains: 'as it was then, in its place' },
    { command: 'lifeboat restore docs 3f2a --to ./out --include reports', explains: 'one folder of one snapshot' },
    {
      command: 'lifeboat restore shop --to postgres:///shop_test',
      explains: 'a new database on the server of the source',
    },
    { command: 'lifeboat restore shop --table product --yes', explains: 'one table, with all that refers to it' },
    {
      command: 'lifeboat restore cluster --at "2026-09-04 01:59:30" --to /srv/copy --start',
      explains: 'a PostgreSQL cluster as it was at that second, with a server on it',
    },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const name = call.values.required('source')
    const target = targetOf(call, app, name)
    const moment = recoveryTargetOf(call)
    const chosen = await choose(call, app, name, moment)
    const recovery =
      moment && isPhysical(app, name) ? await recoveryRequestOf(call, app, chosen, name, moment) : undefined
    return await restoreTo(call, app, chosen, { target, recovery })
  },
}

async function choose(call: Call, app: App, name: string, moment: RecoveryTarget | undefined): Promise<ChosenSnapshot> {
  if (moment !== undefined && call.values.text('snapshot') === undefined && isPhysical(app, name)) {
    return await chooseBackup(call, app, name, moment)
  }
  return await chooseSnapshot(call, app, name === ANY ? undefined : name, wishOf(call, app, name, moment))
}

/** Of a source without a log, `--at` means the last snapshot before that moment. */
function wishOf(call: Call, app: App, name: string, moment: RecoveryTarget | undefined): SnapshotWish {
  const explicit = call.values.text('snapshot')
  if (moment === undefined || isPhysical(app, name)) return parseSnapshotWish(explicit ?? 'latest', call.clock.now())
  if (moment.kind === 'time' && explicit === undefined) return { kind: 'at', time: moment.time }
  throw new AppError('usage', `source ${name} has no log to recover from`, {
    hint: 'Name a snapshot, or --at TIME for the newest before that time. Only physical postgres sources go further.',
  })
}

const VERBS = { replace: 'replaces', 'in-place': 'writes into', tables: 'replaces rows of tables in' } as const

interface Wanted {
  readonly target: string
  readonly recovery: RecoveryRequest | undefined
}

async function restoreTo(call: Call, app: App, chosen: ChosenSnapshot, wanted: Wanted): Promise<Output> {
  const startedAt = app.clock.now()
  const source = await sourceFor(app, chosen, wanted.target)
  const strategy = strategyOf(call, source.kind, wanted.target)
  const plan = await planOf(call, app, chosen, source, wanted.target)
  const subject = { run: randomUUID(), strategy, source: source.name, startedAt }
  if (call.values.flag('dryRun')) return await showPlan(call, app, planReport(subject, plan, chosen))
  const { requirePossible } = await import('../../operations/restore/plan.ts')
  requirePossible(plan)
  if (plan.survey.exists) await confirmChange(call, { verb: VERBS[strategy], plan, chosen })
  const decided = { ...wanted, source, strategy, plan, run: subject.run }
  const result = await carryOut(call, app, chosen, decided).catch(async (error: unknown) => {
    await saveReport(call, app, failureReport(subject, plan, chosen, error, app.clock.now()))
    throw error
  })
  await saveReport(call, app, restoreReport(subject, plan, chosen, result))
  return { json: restoreToJson(result, chosen), text: describeRestore(result, chosen, call) }
}

async function showPlan(call: Call, app: App, report: ReturnType<typeof planReport>): Promise<Output> {
  const { reportToText } = await import('../../operations/report/report-text.ts')
  await saveReport(call, app, report)
  return { json: report, text: reportToText(report, call.terminal.out), exitCode: report.outcome === 'failed' ? 1 : 0 }
}

async function planOf(
  call: Call,
  app: App,
  { repository, snapshot }: ChosenSnapshot,
  source: Source,
  target: string,
): Promise<RestorePlan> {
  const { planRestore } = await import('../../operations/restore/plan.ts')
  const hooks = app.config.sources.get(source.name)?.restore
  return await planRestore({
    ...(await app.sourceContext()),
    repository,
    snapshot,
    source,
    target,
    strategy: strategyOf(call, source.kind, target),
    selection: selectionOf(call),
    reserved: await app.excludedPaths(),
    stopsApplication: hooks?.before !== undefined && isOwnPlace(app, source.name, target),
  })
}

interface Decided extends Wanted {
  readonly source: Source
  readonly strategy: ReturnType<typeof strategyOf>
  readonly plan: RestorePlan
  readonly run: string
}

async function carryOut(call: Call, app: App, chosen: ChosenSnapshot, decided: Decided): Promise<SafeRestoreResult> {
  const { restoreSafely } = await import('../../operations/restore/safely.ts')
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const { name, repository, snapshot } = chosen
  const { target, recovery, source, strategy, plan, run } = decided
  const include = call.values.list('include')
  const selection = selectionOf(call)
  const checks = call.values.flag('checks')
  const catalog = app.catalog()
  const request = {
    ...(await app.sourceContext()),
    places: await restorePlaces(app),
    run,
    repositoryName: name,
    repository,
    snapshot,
    source,
    target,
    strategy,
    place: plan.survey.place,
    existed: plan.survey.exists,
    reserved: await app.excludedPaths(),
    delta: call.values.flag('delta'),
    checks,
    include,
    selection,
    recovery,
    tablespaces: tablespacesOf(call),
    start: call.values.flag('start'),
    onProgress: progressOf(call, source.name, include.length === 0),
  }
  const result = await recordRun(
    { catalog, clock: app.clock },
    { operation: 'restore', source: source.name, repository: name },
    () => restoreSafely(request),
    ({ files, totalBytes, writtenBytes, findings }) => ({
      outcome: 'done',
      snapshot: snapshot.id,
      statistics: { files, totalBytes, writtenBytes },
      findings,
    }),
  )
  // A part that came back proves nothing of the rest, and unchecked data nothing at all.
  if (include.length === 0 && !isPartial(selection) && checks) {
    await catalog.saveProofs(repository.id, [snapshot.id], 'restored', app.clock.now())
  }
  return result
}

function progressOf(call: Call, source: string, whole: boolean) {
  return (now: { totalBytes: number; writtenBytes: number; sizeBytes: number | undefined }): void =>
    call.progress.update({
      label: `restore ${source}`,
      done: now.totalBytes,
      total: whole ? now.sizeBytes : undefined,
      unit: 'bytes',
      details: [`${formatSize(now.writtenBytes)} written`],
    })
}

function selectionOf({ values }: Call): DatabaseSelection {
  const [databases, tables, schemas] = [values.list('database'), values.list('table'), values.list('schema')]
  const part = values.flag('schemaOnly') ? 'schema' : values.flag('dataOnly') ? 'data' : undefined
  return { databases, tables, schemas, part, roles: values.flag('roles') }
}

function isPartial({ databases = [], tables = [], schemas = [], part }: DatabaseSelection): boolean {
  return part !== undefined || databases.length + tables.length + schemas.length > 0
}

/** The configured source where it fits the snapshot, else one of the snapshot's kind that knows only the target. */
async function sourceFor(app: App, { snapshot }: ChosenSnapshot, target: string): Promise<Source> {
  const { source, kind } = labelsOf(snapshot.tags)
  const configured = source === undefined ? undefined : app.config.sources.get(source)
  if (source !== undefined && configured?.kind === kind) return app.openSource(source)
  return app.openSourceAt(source ?? 'snapshot', kind ?? 'files', target)
}
