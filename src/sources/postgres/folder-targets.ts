import { access, constants, lstat, readdir, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import { dropKeptPath, keptPathOf, putKeptBack, settleKeptPath } from '../kept-path.ts'
import type { TargetAccess, TargetRequest, TargetSurvey } from '../target.ts'

/** Folders of archives, for pg_restore by hand. */
export const folderTargets: TargetAccess = {
  survey: surveyFolder,
  putBack: async ({ target, keptAs, keepNowAs }) => {
    const now = keepNowAs === undefined ? undefined : keptPathOf(target, keepNowAs).kept
    await putKeptBack(keptPathOf(target, keptAs), now)
    return now === undefined ? [] : [{ target, kept: now }]
  },
  dropKept: async ({ target, keptAs }) => await dropKeptPath(keptPathOf(target, keptAs)),
  remove: async ({ target }) => await rm(target, { recursive: true, force: true }),
  settle: async ({ target, keptAs }) => {
    const place = keptPathOf(target, keptAs)
    const state = await settleKeptPath(place)
    return { state, kept: state === 'finished' ? [{ target, kept: place.kept }] : [] }
  },
}

async function surveyFolder(request: TargetRequest): Promise<TargetSurvey> {
  const { target: place, signal, coming } = request
  const findings = await writableFindings(place, coming?.sizeBytes)
  const found = await stat(place).catch(ignoreMissing)
  if (found === undefined) return { place, exists: false, findings }
  if (!found.isDirectory()) {
    const finding = {
      severity: 'error',
      code: 'target-invalid',
      subject: place,
      message: 'it is not a folder',
    } as const
    return { place, exists: true, findings: [...findings, finding] }
  }
  const { files, sizeBytes } = await measureFolder(place, signal)
  return { place, exists: true, files, sizeBytes, modifiedAt: found.mtime, findings }
}

/** A folder beside `place` must be made, and moved to it. */
export async function writableFindings(place: string, neededBytes: number | undefined): Promise<Finding[]> {
  const parent = await nearestFolder(dirname(place))
  try {
    await access(parent, constants.W_OK | constants.X_OK)
  } catch {
    const message = 'this user may not write there'
    const hint = 'Run it as the user that owns the folder, or choose another place.'
    return [{ severity: 'error', code: 'target-not-writable', subject: parent, message, hint }]
  }
  const { bavail, bsize } = await statfs(parent)
  if (neededBytes === undefined || neededBytes <= bavail * bsize) return []
  const message = `${formatSize(neededBytes)} are to be written beside what is there, ${formatSize(bavail * bsize)} are free`
  const hint = 'Free some space, or choose another disk.'
  return [{ severity: 'error', code: 'target-no-space', subject: parent, message, hint }]
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() || dirname(path) === path ? path : await nearestFolder(dirname(path))
}

/** What can't be looked into is not counted: this is for a person to compare, not a check. Links are not followed. */
export async function measureFolder(
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly sizeBytes: number }> {
  let files = 0
  let sizeBytes = 0
  const waiting = [folder]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    throwIfAborted(signal)
    for (const name of await readdir(at).catch(() => [])) {
      const path = join(at, name)
      const entry = await lstat(path).catch(() => undefined)
      if (entry?.isDirectory()) waiting.push(path)
      else if (entry) {
        files += 1
        sizeBytes += entry.isFile() ? entry.size : 0
      }
    }
  }
  return { files, sizeBytes }
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}
