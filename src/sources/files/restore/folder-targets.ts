import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../../../base/errors.ts'
import { removeFolder } from '../../../base/remove-folder.ts'
import type { Finding } from '../../../model/finding.ts'
import { dropKeptPath, dropReplaced, keptPathOf, putKeptBack, settleKeptPath } from '../../kept-path.ts'
import type {
  Kept,
  KeptRequest,
  Settled,
  SurplusSummary,
  TargetAccess,
  TargetRequest,
  TargetSurvey,
} from '../../target.ts'
import { filesWrittenSince, measureFolder, obstaclesBeside, placeOf } from '../../target-place.ts'
import { type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { broughtWrittenSince } from './brought-paths.ts'
import { findNotCarriable } from './carry-over.ts'
import { readMark } from './mark.ts'
import { surveySurplus } from './surplus.ts'
import { isFilledFolder, targetError } from './target.ts'

/** Folders that a restore replaces. */
export const folderTargets: TargetAccess = {
  survey,
  putBack,
  dropKept,
  writtenSince: async request => {
    const { target, since, signal, files } = request
    return await (files === undefined ? filesWrittenSince(target, since, signal) : broughtWrittenSince(request, files))
  },
  remove,
  settle,
}

async function putBack(request: KeptRequest & { readonly keepNowAs?: string | undefined }): Promise<readonly Kept[]> {
  const path = await placeOf(request.target)
  const now = request.keepNowAs === undefined ? undefined : keptPathOf(path, request.keepNowAs).kept
  try {
    await putKeptBack(keptPathOf(path, request.keptAs), now)
  } catch (error) {
    throw targetError(path, error)
  }
  return now === undefined ? [] : [{ target: path, kept: now }]
}

async function dropKept(request: KeptRequest): Promise<void> {
  await dropKeptPath(keptPathOf(await placeOf(request.target), request.keptAs))
}

async function remove({ target }: TargetRequest): Promise<void> {
  await removeFolder(await placeOf(target))
}

async function settle(request: KeptRequest): Promise<Settled> {
  const path = await placeOf(request.target)
  const place = keptPathOf(path, request.keptAs)
  const state = await settleKeptPath(place)
  await dropReplaced(place)
  if (state === 'untouched' && (await readMark(toRaw(path)))?.over === true) return { state: 'half-written', kept: [] }
  return { state, kept: state === 'finished' ? [{ target: path, kept: place.kept }] : [] }
}

async function survey(request: TargetRequest): Promise<TargetSurvey> {
  const place = await placeOf(request.target)
  const found = await stat(place).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw targetError(place, error)
    return undefined
  })
  const findings = await obstaclesBeside(place, request.coming?.sizeBytes, found !== undefined)
  if (found === undefined) return { place, exists: false, findings }
  if (!found.isDirectory()) {
    const wrong: Finding = {
      severity: 'error',
      code: 'target-invalid',
      subject: place,
      message: 'it is a file, and files are restored into a folder',
      hint: 'Choose a folder with --to, then take from it what you need.',
    }
    return { place, exists: true, sizeBytes: found.size, modifiedAt: found.mtime, findings: [...findings, wrong] }
  }
  const { files, sizeBytes } = await measureFolder(toBuffer(toRaw(place)), request.signal)
  // What an unfinished restore of the same has made so far is nothing that could be lost, and is gone on with.
  const mark = await readMark(toRaw(place))
  const isOurs = mark?.over === false && mark.snapshot === request.coming?.snapshot
  const exists = !isOurs && (await isFilledFolder(place))
  if (exists && request.delta !== true) {
    findings.push(...(await mountFinding(place, found.dev)))
    findings.push(...findNotCarriable(toRaw(place), request.coming?.manifest?.incomplete))
  }
  const surplus = exists ? await findSurplus(request, toRaw(place)) : undefined
  return { place, exists, sizeBytes, files, modifiedAt: found.mtime, findings, surplus }
}

async function findSurplus(
  { delete: wish, coming, signal }: TargetRequest,
  folder: RawPath,
): Promise<SurplusSummary | undefined> {
  const snapshot = wish && (await coming?.openReader?.())
  if (wish === undefined || snapshot === undefined) return undefined
  return await surveySurplus({ folder, snapshot, include: wish.include, wish, signal })
}

/** What would fail only at the swap, with the application stopped. */
async function mountFinding(place: string, device: number): Promise<Finding[]> {
  const isTop = dirname(place) === place
  if (!isTop && (await stat(dirname(place))).dev === device) return []
  const message = 'it is a mount point: no other folder can take its place'
  const hint = 'Add --force to write into it, only what differs, or choose a folder below it with --to.'
  return [{ severity: 'error', code: 'target-not-writable', subject: place, message, hint }]
}
