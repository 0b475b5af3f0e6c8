import type { App } from '../app.ts'
import { formatDuration } from '../base/durations.ts'
import { formatSize } from '../base/sizes.ts'
import { formatTime } from '../base/times.ts'
import { labelsOf, type ProofLevel, SHORT_ID_DIGITS } from '../model/recovery-point.ts'
import type { Report } from '../model/report.ts'
import type { VerifyResult } from '../operations/verify/verify.ts'
import type { Source } from '../sources/source.ts'
import type { Call } from './command.ts'
import { formatFindings } from './printers/text.ts'
import { keepReport } from './reports.ts'
import type { ChosenSnapshot } from './selection.ts'
import type { Paint } from './terminal.ts'

/** One recovery point that was put to the proof. */
export interface Verified {
  readonly chosen: ChosenSnapshot
  readonly result: VerifyResult
  readonly report: Report
}

/** Verifies a snapshot as one run: the catalog gets the run and the proof (or that there is none), the state folder the report. */
export async function verifySnapshot(
  call: Call,
  app: App,
  chosen: ChosenSnapshot,
  level: ProofLevel,
): Promise<Verified> {
  const { recordRun } = await import('../operations/runs/record-run.ts')
  const { reportOfVerify } = await import('../operations/verify/verify-report.ts')
  const { name: repository, snapshot } = chosen
  const source = await sourceOf(app, chosen)
  const startedAt = app.clock.now()
  let run = ''
  const result = await recordRun(
    { catalog: app.catalog(), clock: app.clock },
    { operation: 'verify', source: source.name, repository },
    id => {
      run = id
      return prove(call, app, { ...chosen, source, level })
    },
    ({ passed, bytesRead, findings }) => ({
      outcome: passed ? 'done' : 'incomplete',
      snapshot: snapshot.id,
      // 1 or 0: figures are numbers, and policies ask how far the last verification went.
      statistics: { bytesRead, restored: level === 'restored' ? 1 : 0, passed: passed ? 1 : 0 },
      findings,
    }),
  )
  await saveProof(app, chosen, result)
  const report = reportOfVerify({ result, repository, run, startedAt })
  await keepReport(call, app, report)
  return { chosen, result, report }
}

interface Subject extends ChosenSnapshot {
  readonly source: Source
  readonly level: ProofLevel
}

async function prove(call: Call, app: App, subject: Subject): Promise<VerifyResult> {
  const { verify } = await import('../operations/verify/verify.ts')
  const { repository, snapshot, source, level } = subject
  const total = snapshot.summary?.totalBytesProcessed
  const show = (done: number): void =>
    call.progress.update({ label: `verify ${source.name}`, done, total, unit: 'bytes' })
  show(0)
  const result = await verify({
    ...(await app.sourceContext()),
    repository,
    snapshot,
    source,
    level,
    assertions: app.config.sources.get(source.name)?.assertions ?? [],
    commandPlace: app.commandPlace(),
    onProgress: show,
  })
  call.progress.clear()
  return result
}

async function saveProof(app: App, { repository, snapshot }: ChosenSnapshot, result: VerifyResult): Promise<void> {
  const catalog = app.catalog()
  const now = app.clock.now()
  if (result.proof !== undefined) await catalog.saveProofs(repository.id, [snapshot.id], result.proof, now)
  // Bytes that are lost are lost at every level, whatever was asked for.
  else await catalog.saveFailedProofs(repository.id, [snapshot.id], result.damaged ? 'checked' : result.level, now)
}

/** The configured source where it fits the snapshot, else one of the snapshot's kind that knows no place of its own. */
async function sourceOf(app: App, { snapshot }: ChosenSnapshot): Promise<Source> {
  const { source, kind } = labelsOf(snapshot.tags)
  if (source !== undefined && app.config.sources.get(source)?.kind === kind) return app.openSource(source)
  return app.openSourceAt(source ?? 'snapshot', kind ?? 'files', await app.scratchFolder())
}

/** 22 when bytes are lost, else 21 when something did not pass, else 3 when something was never captured. */
export function exitCodeOf(results: readonly VerifyResult[]): number {
  if (results.some(({ damaged }) => damaged)) return 22
  if (results.some(({ passed }) => !passed)) return 21
  return results.some(({ incomplete }) => incomplete !== undefined) ? 3 : 0
}

export function verifiedToJson({ chosen, result, report }: Verified) {
  const { snapshot, name } = chosen
  const shortId = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const { proof, incomplete, ...rest } = result
  const place = { repository: name, snapshot: snapshot.id, shortId, time: snapshot.time }
  return { ...rest, proof: proof ?? null, incomplete: incomplete ?? null, run: report.run, ...place }
}

export function describeVerified({ chosen, result, report }: Verified, paint: Paint): string {
  const { snapshot, name } = chosen
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const lacking = result.incomplete === undefined ? '' : `, ${paint('yellow', 'incomplete')}`
  const verdict = result.passed
    ? paint('green', result.level) + lacking
    : paint('red', result.damaged ? 'damaged' : 'did not pass')
  return (
    `${result.source} of ${formatTime(snapshot.time)} (snapshot ${id} in ${name}): ${verdict}\n` +
    `  read ${formatSize(result.bytesRead)} in ${formatDuration(result.durationMs)}\n` +
    describeChecks(result, paint) +
    formatFindings(result.findings, paint) +
    (result.passed ? '' : `  What to do now: lifeboat report ${report.run.slice(0, SHORT_ID_DIGITS)}\n`)
  )
}

const ROWS = 'rows of '

/** What failed in full; of what passed the names, those of tables as a number: a database may have hundreds. */
function describeChecks({ checks }: VerifyResult, paint: Paint): string {
  const failed = checks
    .filter(check => !check.passed)
    .map(({ name, expected, found }) => `  ${paint('red', 'failed')} ${name}: expected ${expected}, found ${found}\n`)
  const names = checks.filter(check => check.passed).map(({ name }) => name)
  const others = names.filter(name => !name.startsWith(ROWS))
  const tables = names.length - others.length
  const passed = tables === 0 ? others : [...others, `${ROWS}${tables === 1 ? '1 table' : `${tables} tables`}`]
  return failed.join('') + (passed.length === 0 ? '' : `  passed: ${passed.join(', ')}\n`)
}
