import { resolve } from 'node:path'
import type { App } from '../../app.ts'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import { labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { RecoveryRequest, RecoveryTarget } from '../../model/recovery-target.ts'
import type { RestoreResult } from '../../operations/restore/restore.ts'
import type { SnapshotWish } from '../../operations/snapshots/find-snapshot.ts'
import type { DatabaseSelection, Source } from '../../sources/source.ts'
import type { Call, Command } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { chooseBackup, RECOVERY_OPTIONS, recoveryRequestOf, recoveryTargetOf, tablespacesOf } from '../recovery.ts'
import { type ChosenSnapshot, parseSnapshotWish } from '../selection.ts'

/** Stands for "of any source" on the command line. */
const ANY = '-'

export const restore: Command = {
  name: 'restore',
  summary: 'bring a recovery point back',
  description: [
    'Writes beside the target, checks what was written, then puts it in place. Every byte is checked against its hash. A restore that was interrupted is taken up again by the same command.',
    'An existing target is changed only with --force; then only the parts that differ are written. A source that is not in the configuration, such as another machine’s, can be restored with --to.',
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
  options: [
    {
      flags: '--to <path>',
      summary: 'where to: a path, or postgres:///NAME for a database (default: the place of the source)',
      complete: 'files',
    },
    { flags: '-f, --force', summary: 'an existing target may be changed' },
    { flags: '--no-delta', summary: 'write an existing target anew, not only what differs' },
    { flags: '--no-checks', summary: 'skip the checks of the restored data (not of its bytes)' },
    { flags: '--host <name>', summary: 'of this host (default: this machine’s snapshots, if it has any)' },
    { flags: '--include <path>', summary: 'only this path of the source, and what is below', repeat: true },
    { flags: '--database <name>', summary: 'of a snapshot of several databases: this one', repeat: true },
    { flags: '--table <name>', summary: 'only this table, into a database that is there', repeat: true },
    { flags: '--schema <name>', summary: 'only the tables of this schema, likewise', repeat: true },
    { flags: '--roles', summary: 'create the database roles that are missing, as they were' },
    ...RECOVERY_OPTIONS,
  ],
  examples: [
    { command: 'lifeboat restore app latest --to ./restored.db', explains: 'the newest, beside the original' },
    { command: 'lifeboat restore docs 3f2a --to ./out --include reports', explains: 'one folder of one snapshot' },
    {
      command: 'lifeboat restore shop --to postgres:///shop_test',
      explains: 'a new database on the server of the source',
    },
    { command: 'lifeboat restore shop --table product --force', explains: 'one table, with all that refers to it' },
    { command: 'lifeboat restore app "2026-09-04 02:00" --force', explains: 'as it was then, in place' },
    {
      command: 'lifeboat restore cluster --at "2026-09-04 01:59:30" --to /srv/copy --start',
      explains: 'a PostgreSQL cluster as it was at that second, with a server on it',
    },
  ],
  run: async call => {
    const { chooseSnapshot } = await import('../selection.ts')
    const app = await call.openApp()
    const name = call.values.required('source')
    const target = await targetOf(call, app, name)
    const moment = recoveryTargetOf(call)
    const explicit = call.values.text('snapshot')
    const chosen =
      moment !== undefined && explicit === undefined && isPhysical(app, name)
        ? await chooseBackup(call, app, name, moment)
        : await chooseSnapshot(call, app, name === ANY ? undefined : name, wishOf(call, app, name, moment))
    const recovery =
      moment && isPhysical(app, name) ? await recoveryRequestOf(call, app, chosen, name, moment) : undefined
    const result = await restoreTo(call, app, chosen, { target, recovery })
    return { json: toJson(result, chosen), text: describe(result, chosen, call) }
  },
}

function isPhysical(app: App, name: string): boolean {
  const options = app.config.sources.get(name)?.options as { readonly mode?: unknown } | undefined
  return options?.mode === 'physical'
}

/** Of a source without a log, `--at` means the last snapshot before that moment. */
function wishOf(call: Call, app: App, name: string, moment: RecoveryTarget | undefined): SnapshotWish {
  const explicit = call.values.text('snapshot')
  if (moment === undefined || isPhysical(app, name)) return parseSnapshotWish(explicit ?? 'latest', call.clock.now())
  if (moment.kind === 'time' && explicit === undefined) return { kind: 'at', time: moment.time }
  throw new AppError('usage', `source ${name} has no log to recover from`, {
    hint: 'Only physical postgres sources know --lsn, --xid, --name, --immediate and --timeline.',
  })
}

/** The server that the source is configured with. */
const OWN_SERVER = 'postgres:///'

function isUrl(target: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target)
}

async function targetOf(call: Call, app: App, name: string): Promise<string> {
  const to = call.values.text('to')
  // An empty one is a variable that was not set, and must not mean the place of the source.
  if (to === '') throw new AppError('usage', '--to is empty', { hint: 'Say where to restore to.' })
  if (to !== undefined) return isUrl(to) ? to : resolve(to)
  const configured = app.config.sources.get(name)
  const { path } = (configured?.options ?? {}) as { readonly path?: unknown }
  if (typeof path === 'string') return resolve(app.config.baseDir, path)
  if (configured?.kind === 'postgres' && !isPhysical(app, name)) return OWN_SERVER
  throw new AppError('usage', `where should ${name === ANY ? 'the snapshot' : name} be restored to?`, {
    hint: 'Say it with --to PATH.',
  })
}

interface Wanted {
  readonly target: string
  readonly recovery: RecoveryRequest | undefined
}

async function restoreTo(call: Call, app: App, chosen: ChosenSnapshot, wanted: Wanted): Promise<RestoreResult> {
  const { target, recovery } = wanted
  const operation = await import('../../operations/restore/restore.ts')
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const { name, repository, snapshot } = chosen
  const source = await sourceFor(app, chosen, target)
  const catalog = app.catalog()
  const context = await app.sourceContext()
  const include = call.values.list('include')
  const selection = selectionOf(call)
  const reserved = await app.excludedPaths()
  const result = await recordRun(
    { catalog, clock: app.clock },
    { operation: 'restore', source: source.name, repository: name },
    () =>
      operation.restore({
        ...context,
        repository,
        snapshot,
        source,
        target,
        reserved,
        force: call.values.flag('force'),
        delta: call.values.flag('delta'),
        checks: call.values.flag('checks'),
        include,
        selection,
        recovery,
        tablespaces: tablespacesOf(call),
        start: call.values.flag('start'),
        onProgress: ({ totalBytes, writtenBytes, sizeBytes }) =>
          call.progress.update({
            label: `restore ${source.name}`,
            done: totalBytes,
            total: include.length === 0 ? sizeBytes : undefined,
            unit: 'bytes',
            details: [`${formatSize(writtenBytes)} written`],
          }),
      }),
    ({ files, totalBytes, writtenBytes, findings }) => ({
      outcome: 'done',
      snapshot: snapshot.id,
      statistics: { files, totalBytes, writtenBytes },
      findings,
    }),
  )
  // A part that came back proves nothing of the rest, and unchecked data nothing at all.
  const proven = include.length === 0 && !isPartial(selection) && call.values.flag('checks')
  if (proven) await catalog.saveProofs(repository.id, [snapshot.id], 'restored', app.clock.now())
  return result
}

function selectionOf({ values }: Call): DatabaseSelection {
  const [databases, tables, schemas] = [values.list('database'), values.list('table'), values.list('schema')]
  return { databases, tables, schemas, roles: values.flag('roles') }
}

function isPartial({ databases = [], tables = [], schemas = [] }: DatabaseSelection): boolean {
  return databases.length + tables.length + schemas.length > 0
}

/** The configured source where it fits the snapshot, else one of the snapshot's kind that knows only the target. */
async function sourceFor(app: App, { snapshot }: ChosenSnapshot, target: string): Promise<Source> {
  const { source, kind } = labelsOf(snapshot.tags)
  const configured = source === undefined ? undefined : app.config.sources.get(source)
  if (source !== undefined && configured?.kind === kind) return app.openSource(source)
  return app.openSourceAt(source ?? 'snapshot', kind ?? 'files', target)
}

function toJson(result: RestoreResult, { name, snapshot }: ChosenSnapshot): unknown {
  const shortId = snapshot.id.slice(0, SHORT_ID_DIGITS)
  return { ...result, repository: name, snapshot: snapshot.id, shortId, time: snapshot.time }
}

function describe(result: RestoreResult, { name, snapshot }: ChosenSnapshot, call: Call): string {
  const paint = call.terminal.out
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const passed = result.checks.length === 0 ? '' : `  checks passed: ${checkNames(result).join(', ')}\n`
  return (
    `Restored ${result.source} of ${formatTime(snapshot.time)} (snapshot ${id} in ${name}) to ${paint('bold', result.target)}\n` +
    `  ${counted(result.files, 'file')}, ${formatSize(result.totalBytes)}, ${formatSize(result.writtenBytes)} of it written, ${formatDuration(result.durationMs)}\n` +
    `${passed}${describeServer(result)}${formatFindings(result.findings, paint)}`
  )
}

function describeServer({ started }: RestoreResult): string {
  if (started === undefined) return ''
  const upTo = started.lastCommitAt === undefined ? '' : `, last commit ${formatTime(started.lastCommitAt)}`
  const reached = started.reachedLsn === undefined ? '' : `  reached ${started.reachedLsn}${upTo}\n`
  return `${reached}  a server runs on it: port ${started.port}, socket in ${started.socketDir}, timeline ${started.timeline}, log ${started.logFile}\n`
}

/** One word for the row counts of all tables: a database may have hundreds. */
function checkNames({ checks }: RestoreResult): string[] {
  const others = checks.filter(check => !check.name.startsWith(ROWS)).map(check => check.name)
  const tables = checks.length - others.length
  return tables === 0 ? others : [...others, `rows of ${counted(tables, 'table')}`]
}

const ROWS = 'rows of '
