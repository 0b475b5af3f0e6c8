import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../../../base/errors.ts'
import type { Finding } from '../../../model/finding.ts'
import { swappedFolders } from '../../beside/swapped-folders.ts'
import type { SurplusSummary, SwappingTargets, TargetRequest, TargetSurvey } from '../../target.ts'
import { filesWrittenSince, measureFolder, obstaclesBeside, placeOf } from '../../target-place.ts'
import { type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { broughtWrittenSince } from './brought-paths.ts'
import { findNotCarriable } from './carry-over.ts'
import { type Mark, mark } from './mark.ts'
import { surveySurplus } from './surplus.ts'
import { isFilledFolder, targetError } from './target.ts'

/** Folders that a restore replaces. */
export const folderTargets: SwappingTargets = {
  ...swappedFolders,
  survey,
  putBack: async request => {
    try {
      return await swappedFolders.putBack(request)
    } catch (error) {
      throw targetError(request.target, error)
    }
  },
  writtenSince: async request => {
    const { target, since, signal, files } = request
    return await (files === undefined ? filesWrittenSince(target, since, signal) : broughtWrittenSince(request, files))
  },
  settle: async request => {
    const settled = await swappedFolders.settle(request)
    const left = settled.state === 'untouched' ? await markAt(await placeOf(request.target)) : undefined
    return left?.over === true ? { state: 'half-written', kept: [] } : settled
  },
}

async function markAt(place: string): Promise<Mark | undefined> {
  return await mark.read(toBuffer(toRaw(place)))
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
  const left = await markAt(place)
  const isOurs = left?.over === false && left.snapshot === request.coming?.snapshot
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
