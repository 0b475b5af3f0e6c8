import { rm, stat } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'
import { dropKeptPath, keptPathOf, putKeptBack, settleKeptPath } from '../kept-path.ts'
import type { TargetAccess, TargetRequest, TargetSurvey } from '../target.ts'
import { filesWrittenSince, measureFolder, obstaclesBeside } from '../target-place.ts'

/** Folders of archives, for pg_restore by hand. */
export const folderTargets: TargetAccess = {
  survey: surveyFolder,
  putBack: async ({ target, keptAs, keepNowAs }) => {
    const now = keepNowAs === undefined ? undefined : keptPathOf(target, keepNowAs).kept
    await putKeptBack(keptPathOf(target, keptAs), now)
    return now === undefined ? [] : [{ target, kept: now }]
  },
  writtenSince: ({ target, since, signal }) => filesWrittenSince(target, since, signal),
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
  const found = await stat(place).catch(ignoreMissing)
  const findings = await obstaclesBeside(place, coming?.sizeBytes, found !== undefined)
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

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}
