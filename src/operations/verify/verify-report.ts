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
