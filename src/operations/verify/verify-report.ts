import { formatSize } from '../../base/sizes.ts'
import { formatTimeWithZone } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { VerifyResult } from './verify.ts'

export interface VerifyReportRequest {
  readonly result: VerifyResult
  /** Its name in the configuration. */
  readonly repository: string
  readonly run: string
  readonly startedAt: Date
}

export function reportOfVerify({ result, repository, run, startedAt }: VerifyReportRequest): Report {
  const { snapshot, source, kind, level, passed } = result
  const id = snapshot.id.slice(0, 8)
  return {
    title: `verification of ${source}`,
    outcome: !passed ? 'failed' : result.incomplete === undefined ? 'done' : 'incomplete',
    verdict: verdictOf(result),
    run,
    about: { operation: 'verify', source, repository, snapshot: snapshot.id },
    startedAt,
    durationMs: result.durationMs,
    facts: [
      { name: 'source', value: `${source} (${kind})` },
      { name: 'recovery point', value: `${id} of ${formatTimeWithZone(snapshot.time)}, in ${repository}` },
      { name: 'taken on', value: snapshot.hostname },
      { name: 'proof', value: passed ? `${level}: ${PROVES[level]}` : `none; asked for was: ${level}` },
      { name: 'read', value: formatSize(result.bytesRead) },
    ],
    steps: result.steps,
    checks: result.checks,
    tables: [],
    findings: result.findings,
    next: nextOf(result, id),
  }
}

const PROVES = {
  checked: 'every byte was read, and is what was stored',
  restored: 'it was brought back, and holds what was captured',
} as const

function verdictOf({ passed, damaged, level, checks, findings, incomplete }: VerifyResult): string {
  if (damaged) {
    const count = findings.filter(finding => finding.code === 'file-damaged').length
    return count === 0
      ? 'This recovery point is damaged'
      : `This recovery point is damaged: ${count === 1 ? 'one file' : `${count} files`} of it cannot be read`
  }
  const failed = checks.filter(check => !check.passed).length
  if (!passed) return `This recovery point did not pass: ${failed} of ${checks.length} checks failed`
  const verdict =
    level === 'restored' ? 'This recovery point comes back' : 'Every byte of this recovery point is there and right'
  if (incomplete === undefined) return verdict
  return `${verdict}, but it lacks ${incomplete.count} of the things that it should hold`
}

function nextOf({ source, passed, damaged, level }: VerifyResult, id: string): Report['next'] {
  if (damaged) {
    return [
      { command: `lifeboat verify ${source}`, explains: 'looks at the newest recovery point instead' },
      { command: `lifeboat backup ${source} --type full`, explains: 'stores again what is damaged and still there' },
      { command: 'lifeboat check --read-data', explains: 'shows what else is damaged' },
    ]
  }
  if (!passed) {
    return [
      { command: `lifeboat snapshots ${source}`, explains: 'shows which recovery points are proven' },
      { command: `lifeboat restore ${source} ${id} --to PLACE`, explains: 'brings it back beside, to look at it' },
    ]
  }
  if (level === 'restored') return []
  return [{ command: `lifeboat verify ${source} ${id} --level restored`, explains: 'proves more: brings it back' }]
}

/** One report of them all. */
export function joinReports(reports: readonly Report[]): Report | undefined {
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
