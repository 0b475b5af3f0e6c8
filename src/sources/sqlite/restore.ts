import { rename, rm } from 'node:fs/promises'
import { extname } from 'node:path'
import { syncFile } from '../../base/durable.ts'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { holdingPath } from '../../base/hold-path.ts'
import type { Finding } from '../../model/finding.ts'
import { isPart } from '../../model/manifest.ts'
import type { MaskedColumn } from '../../model/masking/outcome.ts'
import type { TreeNode } from '../../model/node.ts'
import { oldOf } from '../beside/names.ts'
import { requireWhole } from '../require-whole.ts'
import type { CheckOutcome, RestoredBytes, RestoreOutcome, RestoreRequest, SnapshotEntry } from '../source.ts'
import type { Kept } from '../target.ts'
import { leavesOut } from './left-out.ts'
import type { Lacks } from './masking/copy-protocol.ts'
import { writeMasked } from './masking/write-masked.ts'
import { applyMeta, createPrivate, likeExisting, removePartialSidecars } from './restore-file.ts'
import { restoreSql } from './restore-sql.ts'
import { restoreTables } from './restore-tables.ts'
import {
  identityOf,
  locateTarget,
  prepareChange,
  putInPlace,
  requireFree,
  requireLeave,
  requirePartialFree,
  statOrNothing,
  type Target,
  targetError,
} from './restore-target.ts'
import { verificationFailed, verifyDatabase } from './restore-verify.ts'
import { isStandIn, unseal } from './seal.ts'
import { Session } from './session.ts'
import { storedText, textOfWhole } from './sql-text.ts'
import { listSidecars, takeAway } from './swap.ts'

/** Brings one snapshot of a SQLite database back: the file, or for types `schema` and `data` what `restore-sql.ts` says. */
export async function restoreDatabase(request: RestoreRequest): Promise<RestoreOutcome> {
  throwIfAborted(request.signal)
  requireWhole(request)
  const entry = await findEntry(request)
  const type = request.snapshot.manifest?.type
  if (isPart(type)) return await restoreSql(request, storedText(request, entry), type)
  const { tables = [], part } = request.selection ?? {}
  if (tables.length > 0 || request.takeAway !== undefined) return await restoreTables(request, entry, tables)
  if (part === 'data' && extname(request.target).toLowerCase() !== '.sql')
    return await restoreTables(request, entry, [])
  if (part !== undefined) return await restoreSql(request, await textOfWhole(request, entry, part), part)
  const target = await locateTarget(request.target, entry.path)
  return await holdingPath(target.path, () => restoreInto(request, target, entry.node))
}

async function restoreInto(request: RestoreRequest, target: Target, node: TreeNode): Promise<RestoreOutcome> {
  const isHalfWritten = await isStandIn(target.path)
  requireLeave(request, target, isHalfWritten)
  try {
    await tidyAfterKill(target)
    const lone = target.existing ? [] : await listSidecars(target.path)
    const restoring = { request, target, node }
    const rewrites = request.delta && !request.mask && target.existing !== undefined && !isHalfWritten
    // What is half-written lies beside, and is gone on with there.
    const done = rewrites ? await restoreInPlace(restoring) : await withSession(restoring, beside)
    const findings = [...(isHalfWritten ? [resumed(target)] : []), ...lone.map(movedAside), ...done.findings]
    return { ...done, target: target.path, files: 1, findings, leftOut: leavesOut(findings) }
  } catch (error) {
    throw targetError(error, target.path)
  }
}

/** Killed right before it was taken out of its place, the database has two names; right after, a seal. */
async function tidyAfterKill(target: Target): Promise<void> {
  if (!target.existing) return
  if ((await identityOf(target.path)) === (await identityOf(target.partial))) await rm(target.partial)
  await unseal(target.path)
}

async function restoreInPlace(restoring: Omit<Restoring, 'session'>): Promise<Done> {
  const { request, target } = restoring
  await requirePartialFree(target)
  // It may be a backup: the session's process starts only when that is done.
  await request.beforeChange?.({ places: [target.path] })
  await requireFree(target)
  await takeAway({ ...request, path: target.path, to: target.partial, standIn: target.standIn })
  // What SQLite can't open can't be compared, what is written to all the time is never safe: both are swapped, and kept.
  return await withSession({ ...restoring, request: { ...request, beforeChange: undefined } }, beside)
}

async function withSession(
  restoring: Omit<Restoring, 'session'>,
  work: (restoring: Restoring) => Promise<Done>,
): Promise<Done> {
  const session = new Session(restoring.request.signal)
  try {
    return await work({ ...restoring, session })
  } finally {
    await session.close()
  }
}

interface Restoring {
  readonly request: RestoreRequest
  readonly target: Target
  readonly node: TreeNode
  readonly session: Session
}

/** The one file of the snapshot. */
async function findEntry(request: RestoreRequest): Promise<SnapshotEntry> {
  const found: SnapshotEntry[] = []
  for await (const entry of request.snapshot.entries()) if (entry.node.type === 'file') found.push(entry)
  const [only] = found
  if (!only || found.length > 1) {
    throw new AppError('target-invalid', `snapshot ${request.snapshot.id.slice(0, 8)} is not of one SQLite database`, {
      hint: `It holds ${found.length} files. Look at it with: lifeboat ls ${request.snapshot.id.slice(0, 8)}`,
    })
  }
  if (request.include.length > 0 && !request.include.includes(only.path)) {
    throw new AppError('not-found', `there is no ${request.include.join(', ')} in the snapshot`, {
      hint: `It holds one file, ${only.path}.`,
    })
  }
  return only
}

interface Done extends RestoredBytes {
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  readonly kept?: readonly Kept[]
  readonly masked?: readonly MaskedColumn[] | undefined
  /** What a masked copy has not. */
  readonly lacks?: Lacks
}

/**
 * Writes a file beside the target, proves it, and only then swaps. Killed at any moment, the target is the old one or the
 * new one (rewritten in place: the old one, a stand-in that no program can open, or the new one); the partial file stays,
 * and the next restore goes on with it.
 */
async function beside({ request, target, node, session }: Restoring): Promise<Done> {
  // With a last word before the change, whoever uses the target may be sent away by then.
  if (request.beforeChange === undefined) await requireFree(target)
  else await requirePartialFree(target)
  const written = request.mask
    ? await writeMasked({ request, mask: request.mask, target, node, session })
    : await writePartial(request, target, node)
  throwIfAborted(request.signal)
  // The disk and the checks have nothing to wait for in each other; the swap waits for both.
  const [verified] = await Promise.all([
    verifyDatabase(request, session, target.partial, target, written.lacks),
    syncFile(target.partial),
  ])
  if (verified.checks.some(check => !check.passed)) {
    await rename(target.partial, target.failed)
    throw verificationFailed(target, verified.checks, target.failed)
  }
  throwIfAborted(request.signal)
  await applyMeta(target.partial, target.existing ? likeExisting(target.existing, node) : node)
  await syncFile(target.partial)
  await prepareChange(request, target)
  const kept = await putInPlace(target, request)
  return { ...written, ...verified, findings: [...written.findings, ...verified.findings], kept }
}

async function writePartial(request: RestoreRequest, target: Target, node: TreeNode): Promise<Done> {
  const goesOn = (await statOrNothing(target.partial)) !== undefined
  if (!goesOn) await createPrivate(target.partial)
  await removePartialSidecars(target)
  const bytes = await request.snapshot.restoreFiles([{ node, path: target.partial, delta: goesOn }])
  return { ...bytes, checks: [], findings: [] }
}

function resumed(target: Target): Finding {
  return {
    severity: 'info',
    code: 'restore-resumed',
    subject: target.path,
    message: 'an interrupted restore had left it half-written',
  }
}

function movedAside(path: string): Finding {
  return {
    severity: 'warning',
    code: 'log-without-database',
    subject: path,
    message: `it lay there without its database, and would have spoiled the one that was restored; it is now ${oldOf(path)}`,
    hint: 'Without the database that it belongs to, it is of no use: remove it.',
  }
}
