import { stat } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'
import { swappedFolders } from '../beside/swapped-folders.ts'
import type { SwappingTargets, TargetRequest, TargetSurvey } from '../target.ts'
import { filesWrittenSince, measureFolder, obstaclesBeside } from '../target-place.ts'

/** Folders of archives, for pg_restore by hand. */
export const folderTargets: SwappingTargets = {
  ...swappedFolders,
  survey: surveyFolder,
  writtenSince: ({ target, since, signal }) => filesWrittenSince(target, since, signal),
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
