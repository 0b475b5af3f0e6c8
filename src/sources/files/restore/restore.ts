import { rmdirSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { AppError, throwIfAborted } from '../../../base/errors.ts'
import { holdingPath } from '../../../base/hold-path.ts'
import { removeFolder } from '../../../base/remove-folder.ts'
import { incompleteWithin, nameNotCaptured } from '../../../model/incomplete.ts'
import { keptPathOf, oldOf, partialOf } from '../../beside/names.ts'
import { dropKeptPath, swapIn } from '../../beside/swap.ts'
import type { CheckOutcome, RestoreOutcome, RestoreRequest } from '../../source.ts'
import { toBuffer, toRaw } from '../raw-path.ts'
import { carryOver } from './carry-over.ts'
import { FolderRestore, type Totals } from './folder-restore.ts'
import { mark } from './mark.ts'
import { Selection } from './selection.ts'
import { isFilledFolder, openTarget, type TargetFolder, targetError } from './target.ts'

/**
 * Writes a captured folder back. With `force` and `delta` into what is there: what is not in the snapshot stays, but for
 * `delete`. With `force` alone all of it beside, and the folders are then swapped: what comes is what was captured and
 * nothing else.
 */
export async function restoreFolder(request: RestoreRequest): Promise<RestoreOutcome> {
  throwIfAborted(request.signal)
  return await holdingPath(request.target, async () => {
    const swaps = request.force && !request.delta && request.include.length === 0
    if (swaps && (await isFilledFolder(request.target))) return await restoreBySwap(request)
    return await writeFolder(request)
  })
}

async function restoreBySwap(request: RestoreRequest): Promise<RestoreOutcome> {
  const path = await realpath(request.target)
  const partial = partialOf(path)
  const left = await mark.read(toBuffer(toRaw(partial)))
  // Only an unfinished restore of this very snapshot can be gone on with.
  if (left?.snapshot !== request.snapshot.id || left.over) await removeFolder(partial)
  const outcome = await writeFolder({ ...request, target: partial, force: false, beforeChange: undefined })
  if (outcome.checks.some(check => !check.passed)) return { ...outcome, target: request.target }
  await request.beforeChange?.({ places: [path] })
  // After it, when nobody writes there any more; before the swap, when all can still stay as it is.
  const folders = { old: toRaw(path), fresh: toRaw(partial) }
  const carried = await carryOver(folders, request.snapshot.manifest?.incomplete, request.signal)
  const place =
    request.keepAs === undefined ? { path, kept: oldOf(path), sidecars: [] } : keptPathOf(path, request.keepAs)
  try {
    await swapIn(partial, place)
  } catch (error) {
    throw targetError(path, error)
  }
  if (request.keepAs === undefined) await dropKeptPath(place)
  const kept = request.keepAs === undefined ? [] : [{ target: path, kept: place.kept }]
  return { ...outcome, target: request.target, kept, findings: [...outcome.findings, ...carried] }
}

async function writeFolder(request: RestoreRequest): Promise<RestoreOutcome> {
  const selection = new Selection(request.include)
  const target = await openTarget(request)
  const restore = new FolderRestore(request, target, selection)
  if (request.brought !== undefined) await restore.takeBack(request.brought)
  await restore.openSurplus()
  await restore.writeAll()
  await restore.finish()
  // What the restore made was nowhere before.
  const missing = request.brought === undefined ? selection.missing() : []
  if (missing.length > 0) reportMissing(missing, request, target, restore)
  const { written, expected } = restore
  const checks = request.checks ? checksOf(request, selection, expected, written) : []
  return {
    target: request.target,
    ...written,
    checks: [...checks, ...(await askCopy(request, selection, checks))],
    findings: restore.findings.list(),
  }
}

/** Throws `not-found`, leaving no trace, when nothing that was asked for is there; else what is missing is findings. */
function reportMissing(
  missing: readonly string[],
  request: RestoreRequest,
  target: TargetFolder,
  { findings }: FolderRestore,
): void {
  const snapshot = request.snapshot.id.slice(0, 8)
  const hint = `Run "lifeboat ls ${snapshot}" to see what is in it.`
  if (missing.length === request.include.length) {
    if (target.state === 'new') rmdirSync(toBuffer(target.raw))
    const never = incompleteWithin(request.snapshot.manifest?.incomplete, { include: missing })
    const why = never === undefined ? '' : `; never captured: ${nameNotCaptured(never)}`
    throw new AppError('not-found', `not in snapshot ${snapshot}: ${missing.join(', ')}${why}`, { hint })
  }
  for (const subject of missing) {
    findings.add({
      severity: 'error',
      code: 'path-not-in-snapshot',
      subject,
      message: `not in snapshot ${snapshot}`,
      hint,
    })
  }
}

function checksOf(request: RestoreRequest, selection: Selection, expected: Totals, found: Totals): CheckOutcome[] {
  const checks = [
    outcome('files restored with their size', expected.files, found.files),
    outcome('bytes restored', expected.totalBytes, found.totalBytes),
  ]
  const totals = selection.isWhole && request.brought === undefined ? request.snapshot.manifest?.totals : undefined
  if (totals !== undefined) checks.push(outcome('files in the manifest', totals.files, found.files))
  return checks
}

/** A folder of which only a part was asked for can't be held to what is said of the whole. */
async function askCopy(
  { onRestored, target }: RestoreRequest,
  selection: Selection,
  checks: readonly CheckOutcome[],
): Promise<readonly CheckOutcome[]> {
  if (onRestored === undefined || !selection.isWhole || checks.some(check => !check.passed)) return []
  return await onRestored({ path: target })
}

function outcome(name: string, expected: number, found: number): CheckOutcome {
  return { name, passed: expected === found, expected: String(expected), found: String(found) }
}
