import { forEachLimit } from '../../base/concurrency.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { ParityRepair, RepairOptions } from '../contract/repairing.ts'
import { CONFIG_KEY } from '../format/file-keys.ts'
import { blobId } from '../pack/blob.ts'
import { isParityWhole, surveyParity } from '../parity/survey-parity.ts'
import type { RepairContext } from './repair-context.ts'

/**
 * Writes parity that is missing or damaged, as after it was switched on, and removes what belongs to nothing. Never of a file
 * that is damaged itself: then its old parity may be what mends it. The storage writes it: `context` is one that keeps parity.
 */
export async function repairParity(
  context: RepairContext,
  writeParity: ((key: string, file: Buffer) => Promise<void>) | undefined,
  { dryRun, signal, onProgress }: RepairOptions,
): Promise<ParityRepair> {
  const { storage, files } = context
  if (writeParity === undefined) throw notConfigured(storage.location)
  const { present, missing, orphaned } = await surveyParity(storage, files, signal, { always: true })
  const damaged: string[] = []
  const findings: Finding[] = []
  let done = 0
  const total = present.length + missing.length
  const progress = () => onProgress?.({ step: 'parity', done: ++done, total, unit: 'items' })
  const write = async (key: string): Promise<void> => {
    const file = dryRun ? undefined : await loadWhole(context, key, signal)
    if (file) await writeParity(key, file)
    else if (!dryRun) findings.push(fileDamaged(key))
    progress()
  }
  await forEachLimit(present, storage.traits.saves, async key => {
    if (await isParityWhole(storage, key, signal)) return progress()
    damaged.push(key)
    await write(key)
  })
  await forEachLimit(missing, storage.traits.saves, write)
  if (!dryRun) for (const key of orphaned) await storage.remove(key, { signal })
  return { missing: missing.length, damaged: damaged.length, removed: orphaned.length, findings }
}

/** Undefined: it is not what its name says, or gone since it was listed. */
async function loadWhole(
  { storage, cipher }: RepairContext,
  key: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    const bytes = await storage.load(key, { signal })
    const isWhole = key === CONFIG_KEY ? cipher.open(bytes) !== undefined : key.endsWith(blobId(bytes))
    return isWhole ? bytes : undefined
  } catch (error) {
    if (isAppError(error, 'storage-not-found')) return undefined
    throw error
  }
}

function fileDamaged(key: string): Finding {
  return {
    severity: 'warning',
    code: 'file-damaged',
    subject: key,
    message: 'the file is damaged itself, so its parity was left as it is',
    hint: 'Run "lifeboat check --read-data" to see what repairs it.',
  }
}

function notConfigured(location: string): AppError {
  return new AppError('usage', `no parity is configured for the repository at ${location}`, {
    hint: 'Set it in lifeboat.yaml, for example "parity: 5%", beside the repository’s url.',
  })
}
