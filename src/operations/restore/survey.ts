import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import { type Incomplete, incompleteFinding, incompleteWithin } from '../../model/incomplete.ts'
import type { Manifest } from '../../model/manifest.ts'
import { LARGE_SAFETY_POINT } from '../../model/recovery-point.ts'
import type { Contents, Snapshot } from '../../repository/index.ts'
import type { DatabaseSelection, DeleteRequest, Source, SourceContext, TargetSurvey } from '../../sources/source.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'
import { type Account, accountOf } from './account.ts'
import { compareAccount } from './account-rows.ts'
import type { Strategy } from './journal.ts'
import { refuseReserved, refuseToSwapReserved, URL_FORM } from './reserved.ts'
import { openSnapshotReader } from './snapshot-reader.ts'
import { swaps } from './swapping.ts'

export interface SurveyRequest extends SourceContext {
  /** To read the snapshot by. */
  readonly contents: Contents
  readonly snapshot: Snapshot
  readonly source: Source
  readonly target: string
  readonly strategy: Strategy
  readonly selection?: DatabaseSelection | undefined
  /** As in `RestoreRequest`. */
  readonly own?: unknown
  /** In place: only what differs is written; all of it anew is written beside, and swapped. */
  readonly delta: boolean
  /** Only these paths; empty: all. */
  readonly include: readonly string[]
  readonly reserved: readonly string[]
  /** As in `RestoreRequest`. */
  readonly delete?: DeleteRequest | undefined
  /** The application is stopped before the change: that it uses the target now is no obstacle. */
  readonly stopsApplication: boolean
  /** Compare rows, not only their numbers, where that takes no more than a moment. */
  readonly comparesRows: boolean
}

export interface RestoreSurvey {
  readonly strategy: Strategy
  readonly survey: TargetSurvey
  readonly manifest: Manifest | undefined
  /** What the snapshot lacks of what is asked for. */
  readonly incomplete: Incomplete | undefined
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
export async function surveyRestore(request: SurveyRequest): Promise<RestoreSurvey> {
  const { contents, snapshot, source, target, selection, strategy, reserved, stopsApplication } = request
  requireScheme(source, target)
  if (!URL_FORM.test(target)) await refuseReserved(target, reserved)
  const manifest = await loadManifest(contents, snapshot)
  const sizeBytes = takesPlace(request) ? manifest?.totals.sizeBytes : undefined
  requireOneDatabase(request, manifest)
  const openReader = () => openSnapshotReader({ contents, snapshot, signal: request.signal })
  const coming = { snapshot: snapshot.id, sizeBytes, engineVersion: manifest?.engineVersion, manifest, openReader }
  const survey = await source.targets.survey({
    ...request,
    target,
    selection,
    coming,
    delta: !takesPlace(request),
    delete: request.delete && { ...request.delete, include: request.include },
  })
  // Not the target: in a folder that it names, a database may be no more than one file.
  if (takesPlace(request)) await refuseToSwapReserved(survey.place, reserved)
  const compared = request.comparesRows ? await compareAccount({ ...request, manifest, survey }) : undefined
  const account = accountOf(survey, manifest, selection, compared?.tables)
  const inUse = ({ code }: Finding): boolean => code === 'target-in-use'
  const findings = SHARES_THE_TARGET[strategy]
    ? survey.findings.filter(each => !inUse(each))
    : survey.findings.map(each => (inUse(each) && stopsApplication ? { ...each, severity: 'info' as const } : each))
  const incomplete = incompleteWithin(manifest?.incomplete, {
    include: request.include,
    databases: selection?.databases,
  })
  const lacking = incomplete === undefined ? [] : [incompleteFinding(snapshot.id, incomplete)]
  const told = [
    ...lacking,
    ...findings,
    ...largeSafetyPoint(request, survey, manifest),
    ...account.findings,
    ...(compared?.findings ?? []),
  ]
  return { strategy, survey, manifest, incomplete, account, findings: told }
}

/** A database of one engine does not go into another's, and a URL that nobody understands is no path. */
function requireScheme({ kind, traits }: Source, target: string): void {
  const scheme = URL_FORM.exec(target)?.[1]?.toLowerCase()
  if (scheme === undefined || traits.targetSchemes.includes(scheme)) return
  const forms = ['a path', ...traits.targetSchemes.map(each => `${each}://...`)]
  throw new AppError('target-invalid', `a recovery point of kind ${kind} cannot be restored to ${scheme}://...`, {
    hint: `Give ${forms.join(' or ')} with --to.`,
  })
}

function takesPlace({ source, strategy, delta, include }: SurveyRequest): boolean {
  if (!swaps(source)) return false
  return strategy === 'replace' || (strategy === 'in-place' && !delta && include.length === 0)
}

/** Of several databases changed row by row, some could be changed and others not: each is a restore of its own. */
function requireOneDatabase({ strategy, selection }: SurveyRequest, manifest: Manifest | undefined): void {
  const all = manifest?.database?.databases ?? []
  const chosen = selection?.databases?.length ? selection.databases.length : all.length
  if (strategy === 'replace' || strategy === 'in-place' || chosen < 2) return
  throw new AppError('usage', `the recovery point holds ${all.length} databases`, {
    hint: `Name one with --database: ${all.map(({ name }) => name).join(', ')}.`,
  })
}

interface Possible {
  readonly findings: readonly Finding[]
  readonly survey: Pick<TargetSurvey, 'place'>
}

/** Throws for the first finding that forbids the restore; the others are in its context. */
export function requirePossible({ findings, survey }: Possible): void {
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

/** A safety recovery point up to this size is nobody's trouble. */
const LARGE_BYTES = 1024 ** 3
/** Of the source itself, most is in the repository already; this much more is something else, such as a whole disk. */
const LARGE_RATIO = 4

/** Written into, a folder is captured before, all of it: whoever named a whole disk may not mean that. */
function largeSafetyPoint(
  { strategy, source }: SurveyRequest,
  { exists, place, sizeBytes = 0, files = 0 }: TargetSurvey,
  manifest: Manifest | undefined,
): Finding[] {
  const isFolder = strategy === 'in-place' && source.traits.wayBack === 'kept'
  const comes = manifest?.totals.sizeBytes ?? 0
  if (!isFolder || !exists || sizeBytes <= LARGE_BYTES || sizeBytes <= comes * LARGE_RATIO) return []
  return [
    {
      severity: 'warning',
      code: LARGE_SAFETY_POINT,
      subject: place,
      message: `before it is written into, all that is there is captured: ${formatSize(sizeBytes)} in ${files} files, for ${formatSize(comes)} that come`,
      hint: 'Choose an empty folder with --to, and take from it what you need.',
    },
  ]
}
