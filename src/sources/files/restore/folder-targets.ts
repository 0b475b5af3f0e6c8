import { lstat, readdir, realpath, rm, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { systemCode, throwIfAborted } from '../../../base/errors.ts'
import { formatSize } from '../../../base/sizes.ts'
import type { Finding } from '../../../model/finding.ts'
import { dropKeptPath, dropReplaced, keptPathOf, putKeptBack, settleKeptPath } from '../../kept-path.ts'
import type { Kept, KeptRequest, Settled, TargetAccess, TargetRequest, TargetSurvey } from '../../target.ts'
import { joinRaw, type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { readMark } from './mark.ts'
import { isFilledFolder, targetError } from './target.ts'

/** Folders that a restore replaces. */
export const folderTargets: TargetAccess = { survey, putBack, dropKept, remove, settle }

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
  await rm(await placeOf(target), { recursive: true, force: true })
}

async function settle(request: KeptRequest): Promise<Settled> {
  const path = await placeOf(request.target)
  const place = keptPathOf(path, request.keptAs)
  const state = await settleKeptPath(place)
  await dropReplaced(place)
  if (state === 'untouched' && (await readMark(toRaw(path)))?.over === true) return { state: 'half-written', kept: [] }
  return { state, kept: state === 'finished' ? [{ target: path, kept: place.kept }] : [] }
}

/** Renames follow the folder itself, not a link to it. */
async function placeOf(target: string): Promise<string> {
  return await realpath(target).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    return resolve(target)
  })
}

async function survey(request: TargetRequest): Promise<TargetSurvey> {
  const place = await placeOf(request.target)
  const found = await stat(place).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw targetError(place, error)
    return undefined
  })
  const findings = await lackOfSpace(request, place)
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
  const { files, sizeBytes } = await measure(toRaw(place), request.signal)
  // What an unfinished restore of the same has made so far is nothing that could be lost, and is gone on with.
  const mark = await readMark(toRaw(place))
  const isOurs = mark?.over === false && mark.snapshot === request.coming?.snapshot
  const exists = !isOurs && (await isFilledFolder(place))
  if (exists && request.delta !== true) findings.push(...(await mountFinding(place, found.dev)))
  return { place, exists, sizeBytes, files, modifiedAt: found.mtime, findings }
}

async function lackOfSpace({ coming }: TargetRequest, place: string): Promise<Finding[]> {
  const folder = await nearestFolder(dirname(place))
  const { bavail, bsize } = await statfs(folder)
  const needed = coming?.sizeBytes ?? 0
  if (needed <= bavail * bsize) return []
  return [
    {
      severity: 'error',
      code: 'target-no-space',
      subject: folder,
      message: `${formatSize(needed)} are to be written beside what is there, ${formatSize(bavail * bsize)} are free`,
      hint: 'Free some space, choose another disk with --to, or write into what is there with --force.',
    },
  ]
}

/** What would fail only at the swap, with the application stopped. */
async function mountFinding(place: string, device: number): Promise<Finding[]> {
  if ((await stat(dirname(place))).dev === device) return []
  const message = 'it is a mount point: no other folder can take its place'
  const hint = 'Say --force to write into it, only what differs, or choose a folder below it with --to.'
  return [{ severity: 'error', code: 'target-not-writable', subject: place, message, hint }]
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() || dirname(path) === path ? path : await nearestFolder(dirname(path))
}

/** What can't be looked into is not counted: this is for a person to compare, not a check. */
async function measure(folder: RawPath, signal: AbortSignal): Promise<{ files: number; sizeBytes: number }> {
  let files = 0
  let sizeBytes = 0
  const waiting = [folder]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    throwIfAborted(signal)
    const names = await readdir(toBuffer(at), { encoding: 'latin1' }).catch(() => [])
    for (const name of names) {
      const path = joinRaw(at, name)
      const entry = await lstat(toBuffer(path)).catch(() => undefined)
      if (entry?.isDirectory()) waiting.push(path)
      else if (entry) {
        files += 1
        sizeBytes += entry.isFile() ? entry.size : 0
      }
    }
  }
  return { files, sizeBytes }
}
