import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { labelsOf, type Proof } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { CheckOutcome, Source, SourceContext, VerifyOutcome } from '../../sources/source.ts'
import { openSnapshotReader } from '../restore/snapshot-reader.ts'

export interface VerifyOperationRequest extends SourceContext {
  readonly repository: Repository
  readonly snapshot: Snapshot
  readonly source: Source
  /** Really restore it, into something that is thrown away. */
  readonly restore: boolean
}

export interface VerifyResult {
  readonly snapshot: Snapshot
  readonly source: string
  readonly kind: string
  readonly passed: boolean
  /** What is now proven of the snapshot; undefined when a check failed. */
  readonly proof: Exclude<Proof, 'recorded'> | undefined
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  readonly bytesRead: number
  readonly durationMs: number
}

/** Does a snapshot hold what its manifest says, and does it come back? A failed check is data, not an error. */
export async function verify(request: VerifyOperationRequest): Promise<VerifyResult> {
  const startedMs = request.clock.monotonicMs()
  const { snapshot, source } = request
  const { kind } = labelsOf(snapshot.tags)
  if (kind !== undefined && kind !== source.kind) {
    throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is of kind ${kind}, not ${source.kind}`, {
      hint: 'Name the source that the snapshot is of.',
    })
  }
  const outcome = await verifyWith(request)
  const passed = outcome.checks.every(check => check.passed)
  const restored = request.restore || source.verify === undefined
  return {
    snapshot,
    source: source.name,
    kind: source.kind,
    passed,
    ...outcome,
    proof: passed ? (restored ? 'restored' : 'checked') : undefined,
    durationMs: Math.round(request.clock.monotonicMs() - startedMs),
  }
}

async function verifyWith(request: VerifyOperationRequest): Promise<VerifyOutcome> {
  const { source, repository, snapshot, signal, clock, logger, scratchDir, restore } = request
  const reader = await openSnapshotReader({ repository, snapshot, signal })
  const context = { signal, clock, logger, scratchDir }
  if (source.verify !== undefined) return await source.verify({ ...context, snapshot: reader, restore })
  const dir = await mkdtemp(join(scratchDir, 'verify-'))
  try {
    const { checks, findings, totalBytes } = await source.restore({
      ...context,
      snapshot: reader,
      target: join(dir, 'restored'),
      force: false,
      delta: false,
      checks: true,
      include: [],
    })
    return { checks, findings, bytesRead: totalBytes }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
