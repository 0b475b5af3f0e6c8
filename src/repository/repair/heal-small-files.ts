import { isAppError } from '../../base/errors.ts'
import type { RepairOptions } from '../contract/repairing.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import { blobId } from '../pack/blob.ts'
import { healFile, restoreFile } from '../parity/heal.ts'
import type { RepairContext } from './repair-context.ts'

/**
 * Puts the config and key files back that are not what they were, by their parity. A key that is gone stays so: somebody may
 * have revoked its password. Returns the keys of the storage.
 */
export async function healSmallFiles(context: RepairContext, { dryRun, signal }: RepairOptions): Promise<string[]> {
  const { storage, files } = context
  const healed: string[] = []
  if (!(await isConfigWhole(context, signal))) {
    if (await restoreFile(storage, CONFIG_KEY, { sha256: undefined, dryRun, signal })) healed.push(CONFIG_KEY)
  }
  for (const id of await files.listIds('key')) {
    const key = fileKey('key', id)
    if (blobId(await storage.load(key, { signal })) === id) continue
    if (await restoreFile(storage, key, { sha256: id, dryRun, signal })) healed.push(key)
  }
  return healed
}

/** It has no name that says what is in it: its seal does. */
async function isConfigWhole({ storage, cipher }: RepairContext, signal: AbortSignal): Promise<boolean> {
  try {
    if (cipher.open(await storage.load(CONFIG_KEY, { signal })) !== undefined) return true
  } catch (error) {
    if (!isAppError(error, 'storage-not-found')) throw error
  }
  const healed = await healFile(storage, CONFIG_KEY, signal)
  return healed !== undefined && cipher.open(healed.bytes) === undefined
}
