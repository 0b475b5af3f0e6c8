import { realpath } from 'node:fs/promises'
import { AppError, isAppError, systemCode, throwIfAborted } from '../../../../base/errors.ts'
import { holdingPath } from '../../../../base/hold-path.ts'
import type { RestoreOutcome, RestoreRequest } from '../../../source.ts'
import { startsServer } from '../../restore-options.ts'
import { textProperty } from '../cluster-properties.ts'
import { type ClusterRestore, replaceCluster } from '../target/replace-cluster.ts'
import { inspectTarget, openTarget, type TargetRequest, targetError } from '../target/restore-target.ts'
import { verifyBackup } from '../verify/verify-backup.ts'
import { planRestore } from './restore-plan.ts'
import { startRestored } from './start-restored.ts'
import { requireFreePlaces } from './tablespace-places.ts'
import { writeCluster } from './write-cluster.ts'

/**
 * Writes a physical snapshot to a data directory. A server can start in it only when all of it is there: the control
 * file comes last. One that is to be replaced stays as it is until the new one beside it is whole.
 */
export async function restoreCluster(restore: ClusterRestore): Promise<RestoreOutcome> {
  const { request } = restore
  if (request.include.length > 0) {
    throw new AppError('unsupported', 'a cluster can only be restored whole', {
      hint: 'Leave --include out; a table or a database alone comes from a logical backup.',
    })
  }
  throwIfAborted(request.signal)
  const path = await realpath(request.target).catch(() => request.target)
  return await holdingPath(path, () => restoreTo(restore, path))
}

async function restoreTo(restore: ClusterRestore, path: string): Promise<RestoreOutcome> {
  const { request, binDir } = restore
  try {
    const wanted = wantedAt(request, path)
    const isBeside = request.force && !request.delta && (await inspectTarget(wanted)) === 'older'
    const outcome = await (isBeside ? replaceCluster(restore, wanted) : restoreInPlace(restore, wanted))
    if (!startsServer(request.own) || outcome.checks.some(check => !check.passed)) return outcome
    const { server, findings } = await startRestored(request, path, binDir)
    return { ...outcome, findings: [...outcome.findings, ...findings], started: server }
  } catch (error) {
    throw isAppError(error) ? error : systemCode(error) === undefined ? error : targetError(path, error)
  }
}

function wantedAt({ snapshot, force }: RestoreRequest, path: string): TargetRequest {
  const systemIdentifier = textProperty(snapshot.manifest, 'systemIdentifier')
  if (systemIdentifier === undefined || textProperty(snapshot.manifest, 'mode') !== 'physical') {
    throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is no physical backup of a cluster`)
  }
  return { path, snapshot: snapshot.id, systemIdentifier, force, owner: snapshot.root }
}

async function restoreInPlace(
  { request, tablespaces, binDir }: ClusterRestore,
  wanted: TargetRequest,
): Promise<RestoreOutcome> {
  const { path } = wanted
  const plan = await planRestore(request.snapshot, path, tablespaces)
  await requireFreePlaces(plan, path)
  const target = await openTarget(wanted, request.beforeChange)
  const bytes = await writeCluster(request, target, plan)
  const checks = request.checks ? await verifyBackup(request, path, binDir) : { checks: [], findings: [] }
  const outcome = { target: path, files: plan.files.length, ...bytes, ...checks }
  return request.keepAs === undefined ? outcome : { ...outcome, kept: [] }
}
