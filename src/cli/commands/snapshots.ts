import type { App } from '../../app/app.ts'
import { formatAgo } from '../../base/durations.ts'
import type { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import { describePin } from '../../model/pin.ts'
import type { RecoveryPoint } from '../../model/recovery-point.ts'
import type { TimedWindow } from '../../operations/logs/windows.ts'
import type { SnapshotsResult } from '../../operations/snapshots/snapshots.ts'
import { repositoryNames, requireSource } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { recoveryPointJson } from '../../outputs/snapshots.ts'
import type { Call, Command } from '../command.ts'
import { type Column, counted, formatFindings, formatTable } from '../printers/text.ts'
import { formatWindow } from '../recovery-windows.ts'
import { AS_OF_OPTION, repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'
import { pastOption } from '../time-options.ts'

export const snapshots: Command<Printed<'snapshots'>> = {
  name: 'snapshots',
  summary: 'list recovery points, oldest first',
  description: [
    'Lists all repositories, or the one given with --repo. PROOF says what is proven and when: recorded (only stored), checked (every byte was read and is correct), restored (it was really restored), failed (it did not pass: see "lifeboat report --list"). "incomplete (2)" means that two things could not be captured; "lifeboat ls ID" names them. PIN says until when and why "lifeboat pin" keeps a snapshot.',
  ],
  arguments: [{ name: 'source', summary: 'only this source’s', complete: 'sources' }],
  options: [
    { flags: '-n, --last <count>', summary: 'only the newest' },
    { flags: '--since <time>', summary: 'only from this time on, like 7d or "2026-09-04"' },
    { flags: '--until <time>', summary: 'only up to this time' },
    AS_OF_OPTION,
  ],
  examples: [
    { command: 'lifeboat snapshots', explains: 'all' },
    { command: 'lifeboat snapshots app --last 5', explains: 'the five newest of one source' },
    { command: 'lifeboat snapshots --since 7d', explains: 'those of the last seven days' },
    { command: 'lifeboat snapshots --json', explains: 'as an array, for scripts' },
  ],
  run: async call => {
    const app = await call.openApp()
    const last = call.values.count('last', '--last')
    const { result, failure } = await list(call, app)
    const points = last === undefined ? result.recoveryPoints : result.recoveryPoints.slice(-last)
    const source = call.values.text('source')
    if (points.length === 0 && source !== undefined && failure === undefined) requireSource(app, source)
    call.terminal.stderr.write(formatFindings(result.findings, call.terminal.err))
    const windows = await listWindows(call, app, source)
    return {
      json: points.map(point =>
        recoveryPointJson(
          point,
          windows.find(window => isOf(window, point)),
        ),
      ),
      text: points.length === 0 ? nothingToShow(call) : printTable(points, call) + windows.map(describeWindow).join(''),
      exitCode: failure?.exitCode ?? (result.findings.some(finding => finding.severity === 'error') ? 22 : 0),
    }
  },
}

function nothingToShow({ values }: Call): string {
  const isSpan = values.text('since') !== undefined || values.text('until') !== undefined
  return isSpan ? 'No snapshots of that time.\n' : 'No snapshots yet. Run "lifeboat backup" to take one.\n'
}

/** One repository that can't be reached must not hide the others' snapshots. */
async function list(call: Call, app: App): Promise<{ result: SnapshotsResult; failure: AppError | undefined }> {
  const { listRecoveryPoints } = await import('../../operations/snapshots/snapshots.ts')
  const catalog = app.catalog
  const source = call.values.text('source')
  const now = call.clock.now()
  const span = { since: pastOption(call, 'since'), until: pastOption(call, 'until') }
  const several = new SeveralRepositories(call)
  const lists = await several.each(repositoryNames(app, repoOf(call)), async name => {
    const repository = await app.repository(name)
    const proofs = await catalog.listProofs(repository.id)
    return listRecoveryPoints({ repositories: [{ name, repository }], source, ...span, now, proofs: () => proofs })
  })
  const recoveryPoints = lists.flatMap(list => list.recoveryPoints)
  recoveryPoints.sort((a, b) => a.time.getTime() - b.time.getTime())
  return { result: { recoveryPoints, findings: lists.flatMap(list => list.findings) }, failure: several.failure }
}

interface NamedWindow extends TimedWindow {
  readonly repository: string
}

/** Of a cluster with a log, when its source is named: it costs a look at the log in each repository. */
async function listWindows(call: Call, app: App, source: string | undefined): Promise<NamedWindow[]> {
  if (source === undefined || !app.hasLog(source)) return []
  const { listRecovery } = await import('../../operations/logs/windows.ts')
  const windows: NamedWindow[] = []
  for (const repository of repositoryNames(app, repoOf(call))) {
    const opened = await app.repository(repository).catch(() => undefined)
    if (opened === undefined) continue
    const { logs } = await listRecovery(app, opened, source, { now: call.clock.now(), signal: call.signal })
    windows.push(...logs.flatMap(log => log.windows.map(window => ({ ...window, repository }))))
  }
  return windows
}

function isOf(window: NamedWindow, { repository, id }: RecoveryPoint): boolean {
  return window.repository === repository && window.bases.some(base => base.snapshot === id)
}

function describeWindow(window: NamedWindow): string {
  return `Can be recovered from ${window.repository}: any moment from ${formatWindow(window)}\n`
}

function describeProof({ proof, provenAt, incomplete }: RecoveryPoint, call: Call): string {
  const proven = provenAt === undefined ? proof : `${proof} ${formatAgo(provenAt, call.clock.now())}`
  return incomplete === 0 ? proven : `${proven}, incomplete (${incomplete})`
}

const size = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatSize(bytes))

function printTable(points: readonly RecoveryPoint[], call: Call): string {
  const repositories = new Set(points.map(point => point.repository))
  const hosts = new Set(points.map(point => point.hostname))
  const columns: Column<RecoveryPoint>[] = [
    { title: 'ID', value: point => point.shortId },
    { title: 'TIME', value: point => formatTime(point.time) },
    { title: 'SOURCE', value: point => point.source ?? point.paths.join(' ') },
    ...(hosts.size > 1 ? [{ title: 'HOST', value: (point: RecoveryPoint) => point.hostname }] : []),
    { title: 'KIND', value: point => point.kind ?? '-' },
    { title: 'TYPE', value: point => point.type ?? '-' },
    ...(repositories.size > 1 ? [{ title: 'REPOSITORY', value: (point: RecoveryPoint) => point.repository }] : []),
    { title: 'SIZE', value: point => size(point.sizeBytes), right: true },
    { title: 'ADDED', value: point => size(point.addedBytes), right: true },
    { title: 'PROOF', value: point => describeProof(point, call) },
    ...(points.some(point => point.pin !== undefined)
      ? [{ title: 'PIN', value: ({ pin }: RecoveryPoint) => (pin === undefined ? '' : describePin(pin)) }]
      : []),
    ...(points.some(point => point.tags.length > 0)
      ? [{ title: 'TAGS', value: (point: RecoveryPoint) => point.tags.join(',') }]
      : []),
  ]
  return `${formatTable(columns, points, call.terminal.out)}${counted(points.length, 'snapshot')}\n`
}
