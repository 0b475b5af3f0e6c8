import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { type Incomplete, incompleteFinding, incompleteWithin } from '../../model/incomplete.ts'
import type { MaskedColumn } from '../../model/masking/outcome.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { CheckOutcome, Kept, RestoredBytes, RestoreRequest, Source, StartedServer } from '../../sources/source.ts'
import type { HelpedContents } from '../snapshots/helped-contents.ts'
import { refuseReserved, refuseToSwapReserved, URL_FORM } from './reserved.ts'
import { openSnapshotReader } from './snapshot-reader.ts'

/** What an adapter is asked for, and where it comes from. */
export interface RestoreOperationRequest extends Omit<RestoreRequest, 'snapshot'> {
  readonly repository: Repository
  /** To read the snapshot by; default: the repository alone. */
  readonly contents?: HelpedContents | undefined
  readonly snapshot: Snapshot
  /** Of the snapshot's kind; its name need not be the snapshot's. */
  readonly source: Source
  /** Absolute paths of folders that are ours: nothing may be restored into a repository. */
  readonly reserved?: readonly string[]
  readonly onProgress?: ((progress: RestoredBytes & { readonly sizeBytes: number | undefined }) => void) | undefined
}

export interface RestoreResult {
  readonly snapshot: Snapshot
  readonly source: string
  readonly kind: string
  readonly target: string
  readonly files: number
  readonly totalBytes: number
  readonly writtenBytes: number
  readonly durationMs: number
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  /** What the snapshot lacks of what was asked for. */
  readonly incomplete: Incomplete | undefined
  /** Something that the snapshot has did not come back as it was: see the findings. */
  readonly leftOut: boolean
  /** Some of it came from other repositories than the one that was chosen: see the findings. */
  readonly helped: boolean
  /** With `start`. */
  readonly started?: StartedServer
  /** With `mask`. */
  readonly masked?: readonly MaskedColumn[]
  /** With `keepAs`. */
  readonly kept?: readonly Kept[]
}

/**
 * Brings a snapshot back to a path. Throws `verification-failed` when the restored data does not pass the source's
 * checks; what failed is in the error's context.
 */
export async function restore(request: RestoreOperationRequest): Promise<RestoreResult> {
  const startedMs = request.clock.monotonicMs()
  const { snapshot, repository, contents, source } = request
  requireKind(source, snapshot)
  requireMaskable(request)
  await refuseOurs(request)
  const sizeBytes = snapshot.summary?.totalBytesProcessed
  const reader = await openSnapshotReader({
    contents: contents ?? repository,
    snapshot,
    signal: request.signal,
    onProgress: progress => request.onProgress?.({ ...progress, sizeBytes }),
  })
  const outcome = await source.restore({ ...request, snapshot: reader })
  const { include, selection } = request
  // What was never captured can't come back, and what came back must not pass for all of it.
  const incomplete = incompleteWithin(reader.manifest?.incomplete, { include, databases: selection?.databases })
  const taken = contents?.taken() ?? []
  const failed = outcome.checks.filter(check => !check.passed)
  if (failed.length > 0) throw verificationFailed(snapshot, outcome.target, failed)
  return {
    snapshot,
    source: source.name,
    kind: source.kind,
    target: outcome.target,
    files: outcome.files,
    totalBytes: outcome.totalBytes,
    writtenBytes: outcome.writtenBytes,
    durationMs: Math.round(request.clock.monotonicMs() - startedMs),
    checks: outcome.checks,
    incomplete,
    leftOut: outcome.leftOut === true,
    findings: [
      ...(incomplete === undefined ? [] : [incompleteFinding(snapshot.id, incomplete)]),
      ...outcome.findings,
      ...taken,
    ],
    helped: taken.length > 0,
    ...(outcome.started === undefined ? {} : { started: outcome.started }),
    ...(outcome.masked === undefined ? {} : { masked: outcome.masked }),
    ...(outcome.kept === undefined ? {} : { kept: outcome.kept }),
  }
}

/** A folder that is swapped takes with it what lies in it, and nobody but the plan has looked at that before. */
async function refuseOurs({
  target,
  reserved = [],
  force,
  delta,
  include,
  source,
}: RestoreOperationRequest): Promise<void> {
  if (URL_FORM.test(target)) return
  await refuseReserved(target, reserved)
  const swapsFolder = force && !delta && include.length === 0 && source.traits.wayBack === 'kept'
  if (swapsFolder) await refuseToSwapReserved(target, reserved)
}

/** Whoever wants values masked must never get them as they are. */
function requireMaskable({ mask, source }: RestoreOperationRequest): void {
  if (mask === undefined || source.traits.masks) return
  throw new AppError('unsupported', `a source of kind ${source.kind} cannot be masked`, {
    hint: 'Masks are for rows of databases: restore it without --mask, or leave it out of the test copy.',
  })
}

function requireKind(source: Source, snapshot: Snapshot): void {
  const { kind } = labelsOf(snapshot.tags)
  if (kind === undefined || kind === source.kind) return
  throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is of kind ${kind}, not ${source.kind}`, {
    hint: `Name the source that the snapshot is of: ${source.name} is configured as ${source.kind}.`,
  })
}

function verificationFailed(snapshot: Snapshot, target: string, failed: readonly CheckOutcome[]): AppError {
  const [first] = failed
  const what = first === undefined ? '' : `: ${first.name}: expected ${first.expected}, found ${first.found}`
  return new AppError(
    'verification-failed',
    `restored data of snapshot ${snapshot.id.slice(0, 8)} is not sound${what}`,
    {
      hint: `Run "lifeboat check --read-data", then restore an earlier snapshot; see "lifeboat snapshots".`,
      context: { target, failed },
    },
  )
}
