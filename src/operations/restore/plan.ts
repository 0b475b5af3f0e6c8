import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { DatabaseSelection, Source, SourceContext, TargetSurvey } from '../../sources/source.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'
import { type Account, accountOf } from './account.ts'
import type { Strategy } from './journal.ts'
import { refuseReserved, refuseToSwapReserved, URL_FORM } from './reserved.ts'

export interface PlanRequest extends SourceContext {
  readonly repository: Repository
  readonly snapshot: Snapshot
  readonly source: Source
  readonly target: string
  readonly strategy: Strategy
  readonly selection?: DatabaseSelection | undefined
  readonly reserved: readonly string[]
  /** The application is stopped before the change: that it uses the target now is no obstacle. */
  readonly stopsApplication: boolean
}

export interface RestorePlan {
  readonly strategy: Strategy
  readonly survey: TargetSurvey
  readonly manifest: Manifest | undefined
  readonly account: Account
  /** Everything worth knowing before; those of severity `error` forbid it. */
  readonly findings: readonly Finding[]
}

/** Rows are changed in one transaction, beside an application that goes on. */
const SHARES_THE_TARGET: Readonly<Record<Strategy, boolean>> = {
  replace: false,
  'in-place': false,
  tables: true,
  merge: true,
}

/** Looks at the target and at what would come, and changes nothing. Throws `target-invalid` for a place that is ours. */
export async function planRestore(request: PlanRequest): Promise<RestorePlan> {
  const { repository, snapshot, source, target, selection, strategy, reserved, stopsApplication } = request
  if (!URL_FORM.test(target)) {
    await refuseReserved(target, reserved)
    if (strategy === 'replace') await refuseToSwapReserved(target, reserved)
  }
  const manifest = await loadManifest(repository, snapshot)
  const sizeBytes = strategy === 'replace' ? manifest?.totals.sizeBytes : undefined
  requireOneDatabase(request, manifest)
  const coming = { sizeBytes, engineVersion: manifest?.engineVersion, manifest }
  const survey = await source.targets.survey({ ...request, target, selection, coming, delta: strategy === 'in-place' })
  const account = accountOf(survey, manifest, selection)
  const inUse = ({ code }: Finding): boolean => code === 'target-in-use'
  const findings = SHARES_THE_TARGET[strategy]
    ? survey.findings.filter(each => !inUse(each))
    : survey.findings.map(each => (inUse(each) && stopsApplication ? { ...each, severity: 'info' as const } : each))
  return { strategy, survey, manifest, account, findings: [...findings, ...account.findings] }
}

/** Of several databases changed row by row, some could be changed and others not: each is a restore of its own. */
function requireOneDatabase({ strategy, selection }: PlanRequest, manifest: Manifest | undefined): void {
  const all = manifest?.database?.databases ?? []
  const chosen = selection?.databases?.length ? selection.databases.length : all.length
  if (strategy === 'replace' || strategy === 'in-place' || chosen < 2) return
  throw new AppError('usage', `the recovery point holds ${all.length} databases`, {
    hint: `Name one with --database: ${all.map(({ name }) => name).join(', ')}.`,
  })
}

/** Throws for the first finding that forbids the restore; the others are in its context. */
export function requirePossible({ findings, survey }: RestorePlan): void {
  const errors = findings.filter(finding => finding.severity === 'error')
  const [first] = errors
  if (first === undefined) return
  const codes = { 'target-in-use': 'target-in-use', 'target-no-space': 'target-full' } as const
  const code = first.code in codes ? codes[first.code as keyof typeof codes] : 'target-invalid'
  throw new AppError(code, `${first.subject}: ${first.message}`, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    context: { target: survey.place, findings: errors },
  })
}
