import type { App } from '../../app/app.ts'
import { formatAgo } from '../../base/durations.ts'
import type { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { describePin } from '../../model/pin.ts'
import type { RecoveryPoint } from '../../model/recovery-point.ts'
import type { TimedWindow } from '../../operations/logs/windows.ts'
import {
  type CopiedPoint,
  freshnessOf,
  joinCopies,
  type SourceFreshness,
} from '../../operations/snapshots/copies-of-points.ts'
import { nearestFirst, repositoryNames, requireSource } from '../../operations/workspace/names.ts'
import { unlessSilent } from '../../operations/workspace/patience.ts'
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
    'Lists all repositories, or the one given with --repo. A recovery point that lives in several is listed once, with the id that it has in the first of them; any command that reads takes this id. Below the list stands how old the newest one is in each repository. One that cannot be read is named: what it has is not known then.',
    'PROOF says what is proven and when: recorded (only stored), checked (every byte was read and is correct), restored (it was really restored), failed (it did not pass: see "lifeboat report --list"). "incomplete (2)" means that two things could not be captured; "lifeboat ls ID" names them. PIN says until when and why "lifeboat pin" keeps a snapshot.',
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
    const { listed, findings, unknown, freshness, failure } = await list(call, app)
    const points = last === undefined ? listed : listed.slice(-last)
    const source = call.values.text('source')
    if (points.length === 0 && source !== undefined && failure === undefined) requireSource(app, source)
    call.terminal.stderr.write(formatFindings(findings, call.terminal.err))
    const windows = await listWindows(call, app, source, unknown)
    return {
      json: points.map(point =>
        recoveryPointJson(point, {
          unknown,
          window: windows.find(window => point.copies.some(copy => isOf(window, copy))),
        }),
      ),
      text:
        (points.length === 0 ? nothingToShow(call) : printTable(points, call)) +
        freshness.map(each => describeFreshness(each, call)).join('') +
        windows.map(describeWindow).join(''),
      exitCode: failure?.exitCode ?? (findings.some(finding => finding.severity === 'error') ? 22 : 0),
    }
  },
}

function nothingToShow({ values }: Call): string {
  const isSpan = values.text('since') !== undefined || values.text('until') !== undefined
  return isSpan ? 'No snapshots of that time.\n' : 'No snapshots yet. Run "lifeboat backup" to take one.\n'
}

interface Listed {
  /** Oldest first. */
  readonly listed: readonly CopiedPoint[]
  readonly findings: readonly Finding[]
  /** Repositories that could not be read. */
  readonly unknown: readonly string[]
  readonly freshness: readonly SourceFreshness[]
  readonly failure: AppError | undefined
}

/** One repository that can't be reached must not hide the others' snapshots, nor keep them waiting for long. */
async function list(call: Call, app: App): Promise<Listed> {
  const { listRecoveryPoints } = await import('../../operations/snapshots/snapshots.ts')
  const source = call.values.text('source')
  const now = call.clock.now()
  const span = { since: pastOption(call, 'since'), until: pastOption(call, 'until') }
  const several = new SeveralRepositories(call)
  const names = nearestFirst(app, repositoryNames(app, repoOf(call)))
  const lists = await several.each(names, async name => {
    const read = async () => {
      const repository = await app.repository(name)
      const proofs = await app.catalog.listProofs(repository.id)
      return listRecoveryPoints({ repositories: [{ name, repository }], source, ...span, now, proofs: () => proofs })
    }
    return { name, ...(await (names.length > 1 ? unlessSilent(app, [name], call.signal, read) : read())) }
  })
  const points = lists.flatMap(({ recoveryPoints }) => recoveryPoints)
  const read = lists.map(({ name }) => name)
  const unknown = names.filter(name => !read.includes(name))
  const listed = joinCopies(
    points.toSorted((a, b) => a.time.getTime() - b.time.getTime()),
    read,
  )
  return {
    listed,
    findings: lists.flatMap(({ findings }) => findings),
    unknown,
    // Of a span of time it would say nothing.
    freshness:
      span.until === undefined ? freshnessOf(listed, names, { policies: app.settings.policies, unknown, now }) : [],
    failure: several.failure,
  }
}

/** `Newest of app: main 5 minutes ago; offsite 1 day ago, 3 behind` */
function describeFreshness({ source, repositories }: SourceFreshness, call: Call): string {
  const places = repositories.map(({ repository, isKnown, newest, behind }) => {
    if (!isKnown) return `${repository} unknown`
    const age = newest === undefined ? 'has none' : formatAgo(newest, call.clock.now())
    return `${repository} ${age}${behind === 0 ? '' : call.terminal.out('yellow', `, ${behind} behind`)}`
  })
  return `Newest of ${source}: ${places.join('; ')}\n`
}

interface NamedWindow extends TimedWindow {
  readonly repository: string
}

/** Of a cluster with a log, when its source is named: it costs a look at the log in each repository. */
async function listWindows(
  call: Call,
  app: App,
  source: string | undefined,
  unknown: readonly string[],
): Promise<NamedWindow[]> {
  if (source === undefined || !app.hasLog(source)) return []
  const { listRecovery } = await import('../../operations/logs/windows.ts')
  const windows: NamedWindow[] = []
  // One that did not answer is not waited for again.
  for (const repository of repositoryNames(app, repoOf(call)).filter(name => !unknown.includes(name))) {
    const opened = await app.repository(repository)
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

/** Where copies differ, each is named: a proof is of one of them. */
function describeProof({ copies, incomplete }: CopiedPoint, call: Call): string {
  const proven = copies.map(({ repository, proof, provenAt }) => {
    return { repository, text: provenAt === undefined ? proof : `${proof} ${formatAgo(provenAt, call.clock.now())}` }
  })
  const same = new Set(proven.map(({ text }) => text))
  const shown = same.size === 1 ? [...same] : proven.map(({ repository, text }) => `${repository}: ${text}`)
  return shown.join('; ') + (incomplete === 0 ? '' : `, incomplete (${incomplete})`)
}

function describePins({ copies }: CopiedPoint): string {
  const pins = copies.flatMap(({ repository, pin }) =>
    pin === undefined ? [] : [{ repository, text: describePin(pin) }],
  )
  const same = new Set(pins.map(({ text }) => text))
  return pins.length === copies.length && same.size === 1
    ? [...same].join('')
    : pins.map(({ repository, text }) => `${repository}: ${text}`).join('; ')
}

const size = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatSize(bytes))

function printTable(points: readonly CopiedPoint[], call: Call): string {
  const repositories = new Set(points.flatMap(({ copies }) => copies.map(({ repository }) => repository)))
  const hosts = new Set(points.map(point => point.hostname))
  const columns: Column<CopiedPoint>[] = [
    { title: 'ID', value: point => point.shortId },
    { title: 'TIME', value: point => formatTime(point.time) },
    { title: 'SOURCE', value: point => point.source ?? point.paths.join(' ') },
    ...(hosts.size > 1 ? [{ title: 'HOST', value: (point: RecoveryPoint) => point.hostname }] : []),
    { title: 'KIND', value: point => point.kind ?? '-' },
    { title: 'TYPE', value: point => point.type ?? '-' },
    ...(repositories.size > 1 ? [{ title: 'REPOSITORIES', value: namesOf }] : []),
    { title: 'SIZE', value: point => size(point.sizeBytes), right: true },
    { title: 'ADDED', value: point => size(point.addedBytes), right: true },
    { title: 'PROOF', value: point => describeProof(point, call) },
    ...(points.some(point => describePins(point) !== '') ? [{ title: 'PIN', value: describePins }] : []),
    ...(points.some(point => point.tags.length > 0)
      ? [{ title: 'TAGS', value: (point: RecoveryPoint) => point.tags.join(',') }]
      : []),
  ]
  return `${formatTable(columns, points, call.terminal.out)}${counted(points.length, 'snapshot')}\n`
}

function namesOf({ copies }: CopiedPoint): string {
  return copies.map(({ repository }) => repository).join(', ')
}
