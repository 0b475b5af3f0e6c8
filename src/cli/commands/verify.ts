import type { App } from '../../app.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { PROOF_LEVELS, type ProofLevel } from '../../model/recovery-point.ts'
import type { Report } from '../../model/report.ts'
import type { Call, Command } from '../command.ts'
import { errorToJson } from '../printers/json.ts'
import { formatError } from '../printers/text.ts'
import { checkReportOption, REPORT_OPTION, writeReportOption } from '../reports.ts'
import { type ChosenSnapshot, chooseSnapshot, isIdPrefix, parseSnapshotWish, requireSource } from '../selection.ts'
import { describeVerified, exitCodeOf, type Verified, verifiedToJson, verifySnapshot } from '../verification.ts'

export const verify: Command = {
  name: 'verify',
  summary: 'prove that a recovery point comes back',
  description: [
    'checked: every byte is read, and is what was stored and what the manifest tells. restored: it is really brought back, into a file, folder or PostgreSQL server that is thrown away; there integrity, foreign keys and row counts are compared with what was captured, and your own assertions (`assertions:` of the source) have to hold.',
    'Without a word: the newest recovery point of every source. What was proven, and when, stands in "lifeboat snapshots".',
    'Ends with 21 when something does not pass, with 22 when bytes of it are lost, and with 3 when all of it is right, but something of the source was never captured.',
  ],
  arguments: [
    { name: 'source', summary: 'a source (default: all), or the id of a snapshot', complete: 'sources' },
    { name: 'snapshot', summary: 'latest (default), an id, or a time like "3h ago"', complete: ['latest'] },
  ],
  options: [
    { flags: '--level <level>', summary: 'how far (default: checked)', choices: PROOF_LEVELS },
    { flags: '--host <name>', summary: 'of this host (default: this machine’s snapshots, if it has any)' },
    REPORT_OPTION,
  ],
  examples: [
    { command: 'lifeboat verify', explains: 'read all of the newest of every source' },
    { command: 'lifeboat verify shop --level restored', explains: 'bring the newest of one back, aside' },
    { command: 'lifeboat verify 6b9710af --report proof.html', explains: 'one by its id, with a report to hand on' },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const level = PROOF_LEVELS.find(each => each === call.values.text('level')) ?? 'checked'
    const attempts: Attempt[] = []
    const wishes = wishesOf(call, app)
    for (const wish of wishes) attempts.push(await attempt(call, app, wish, level))
    const [only] = attempts
    if (attempts.length === 1 && only !== undefined && 'error' in only) throw only.error
    const verified = attempts.flatMap(each => ('error' in each ? [] : [each]))
    await writeReportOption(call, joinReports(verified.map(({ report }) => report)))
    return {
      json: { passed: exitOf(attempts) === 0, verified: attempts.map(toJson) },
      text: verified.map(each => describeVerified(each, call.terminal.out)).join(''),
      problems: attempts.map(each => ('error' in each ? describeError(each, call) : '')).join(''),
      exitCode: exitOf(attempts),
    }
  },
}

interface Wish {
  /** Undefined: a snapshot of any source. */
  readonly source: string | undefined
  readonly snapshot: string
}

type Attempt = Verified | { readonly source: string; readonly error: AppError }

/** Nothing, a source, a source and a point, or an id alone. */
function wishesOf(call: Call, app: App): Wish[] {
  const first = call.values.text('source')
  const snapshot = call.values.text('snapshot')
  if (first === undefined) {
    const names = [...app.config.sources.keys()]
    if (names.length > 0) return names.map(source => ({ source, snapshot: 'latest' }))
    throw new AppError('usage', `no source is named in ${app.config.file}`, {
      hint: 'Name a snapshot by its id: "lifeboat snapshots" lists them.',
    })
  }
  const isId = snapshot === undefined && !app.config.sources.has(first) && isIdPrefix(first)
  if (isId) return [{ source: undefined, snapshot: first }]
  // A source of another machine is in no configuration, but then its snapshot must be named.
  if (snapshot === undefined) requireSource(app, first)
  return [{ source: first, snapshot: snapshot ?? 'latest' }]
}

/** One source that can't be verified must not keep the others from it. */
async function attempt(call: Call, app: App, wish: Wish, level: ProofLevel): Promise<Attempt> {
  try {
    const chosen: ChosenSnapshot = await chooseSnapshot(
      call,
      app,
      wish.source,
      parseSnapshotWish(wish.snapshot, call.clock.now()),
    )
    return await verifySnapshot(call, app, chosen, level)
  } catch (error) {
    throwIfAborted(call.signal)
    if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
    return { source: wish.source ?? wish.snapshot, error }
  }
}

/** Of several: damage says most, then what did not pass, then what could not be tried. */
function exitOf(attempts: readonly Attempt[]): number {
  const code = exitCodeOf(attempts.flatMap(each => ('error' in each ? [] : [each.result])))
  const [first] = attempts.flatMap(each => ('error' in each ? [each.error] : []))
  return code === 0 && first !== undefined ? first.exitCode : code
}

/** One report of them all. */
function joinReports(reports: readonly Report[]): Report | undefined {
  const [first] = reports
  if (first === undefined || reports.length === 1) return first
  const failed = reports.filter(({ outcome }) => outcome === 'failed')
  const named = reports.map(report => ({ report, name: report.facts[0]?.value ?? report.title }))
  return {
    title: `verification of ${reports.length} sources`,
    outcome: failed.length > 0 ? 'failed' : (reports.find(({ outcome }) => outcome !== 'done')?.outcome ?? 'done'),
    verdict:
      failed.length === 0
        ? 'All of these recovery points passed'
        : `${failed.length} of ${reports.length} recovery points did not pass`,
    run: first.run,
    startedAt: first.startedAt,
    durationMs: reports.reduce((sum, { durationMs }) => sum + durationMs, 0),
    facts: named.map(({ report, name }) => ({
      name,
      value: [report.facts[1]?.value, report.verdict].filter(Boolean).join(' – '),
    })),
    steps: named.flatMap(({ report, name }) => report.steps.map(step => ({ ...step, name: `${name}: ${step.name}` }))),
    checks: named.flatMap(({ report, name }) =>
      report.checks.map(check => ({ ...check, name: `${name}: ${check.name}` })),
    ),
    tables: [],
    findings: reports.flatMap(({ findings }) => findings),
    next: reports.flatMap(({ next }) => next),
  }
}

function toJson(each: Attempt): unknown {
  return 'error' in each ? { source: each.source, ...(errorToJson(each.error) as object) } : verifiedToJson(each)
}

function describeError({ source, error }: { readonly source: string; readonly error: AppError }, call: Call): string {
  return `${source}: ${formatError(error, call.terminal.err)}`
}
