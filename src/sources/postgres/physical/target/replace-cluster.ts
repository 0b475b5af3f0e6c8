import { lstat, readlink, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../../../base/errors.ts'
import type { Finding } from '../../../../model/finding.ts'
import { type KeptPath, keptPathOf, newKeepAs, partialOf } from '../../../beside/names.ts'
import { swapIn } from '../../../beside/swap.ts'
import type { RestoreOutcome, RestoreRequest } from '../../../source.ts'
import { planBeside, removeCluster, requireFreePlaces } from '../restore/tablespace-places.ts'
import { writeCluster } from '../restore/write-cluster.ts'
import { verifyBackup } from '../verify/verify-backup.ts'
import { openTarget, requireStopped, type TargetRequest } from './restore-target.ts'

export interface ClusterRestore {
  readonly request: RestoreRequest
  /** Where tablespaces shall be, by OID or by the path they had. */
  readonly tablespaces: ReadonlyMap<string, string>
  readonly binDir: string | undefined
}

/**
 * Restores beside the data directory that is there, lets PostgreSQL check it, and then swaps them: two renames. Killed
 * before, the same again goes on with what it left; killed between the two, nothing is at the place, and `settle` puts back
 * what was there.
 */
export async function replaceCluster(restore: ClusterRestore, wanted: TargetRequest): Promise<RestoreOutcome> {
  const { request, binDir } = restore
  const { path } = wanted
  const place = keptPathOf(path, request.keepAs ?? newKeepAs(request.clock.now()))
  await requireRenames(place)
  // What comes before the change may be what stops the server.
  if (request.beforeChange === undefined) await requireStopped(path)
  const partial = partialOf(path)
  const { plan, moved } = await planBeside(request.snapshot, partial, restore.tablespaces)
  await requireFreePlaces(plan, partial)
  const target = await openTarget({ ...wanted, path: partial, force: true })
  // What an interrupted restore has written already is only compared.
  const bytes = await writeCluster({ ...request, delta: target.existing }, target, plan)
  const verified = request.checks ? await verifyBackup(request, partial, binDir) : { checks: [], findings: [] }
  const outcome = { target: path, files: plan.files.length, ...bytes }
  if (verified.checks.some(check => !check.passed)) {
    await removeCluster(partial, [path])
    return { ...outcome, ...verified }
  }
  const findings = [...verified.findings, ...movedFindings(path, moved), ...(await logFindings(path))]
  await request.beforeChange?.({ places: [path] })
  await requireStopped(path)
  await swapIn(partial, place)
  if (request.keepAs === undefined) return { ...outcome, ...verified, findings: [...findings, keptFinding(place)] }
  return { ...outcome, ...verified, findings, kept: [{ target: path, kept: place.kept }] }
}

/** What would fail only after everything was written. */
async function requireRenames({ path, kept }: KeptPath): Promise<void> {
  const [own, parent, taken] = await Promise.all([stat(path), stat(dirname(path)), lstat(kept).catch(() => undefined)])
  if (taken !== undefined) {
    throw new AppError('target-exists', `${kept} is there already, the name for what is replaced`, {
      hint: `Move it away, or remove it: rm -r ${kept}.`,
    })
  }
  if (own.dev === parent.dev) return
  throw new AppError('target-invalid', `${path} is a mount point: it cannot be swapped with a folder beside it`, {
    hint: 'Leave --no-delta out, so that it is rewritten in place.',
  })
}

function movedFindings(path: string, moved: ReadonlyMap<string, string>): Finding[] {
  return [...moved].map(([oid, place]) => ({
    severity: 'info',
    code: 'tablespace-moved',
    subject: path,
    message: `tablespace ${oid} is at ${place}: its old place belongs to the cluster that was kept`,
  }))
}

async function logFindings(path: string): Promise<Finding[]> {
  const link = await readlink(join(path, 'pg_wal')).catch(() => undefined)
  if (link === undefined) return []
  return [
    {
      severity: 'warning',
      code: 'log-folder-moved',
      subject: path,
      message: `pg_wal was a link to ${link}; the restored cluster has its log inside of the data directory`,
      hint: 'Before the server starts, move pg_wal to the disk that it shall be on and make a link to it.',
    },
  ]
}

function keptFinding({ path, kept }: KeptPath): Finding {
  return {
    severity: 'info',
    code: 'old-cluster-kept',
    subject: path,
    message: `the data directory that was there is now ${kept}`,
    hint: `When all is well, remove it: rm -r ${kept}.`,
  }
}
