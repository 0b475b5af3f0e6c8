import { isAppError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { type ParityFile, readParity } from './parity-file.ts'
import { parityKey } from './parity-keys.ts'

const NOTHING = Buffer.alloc(0)

/** Undefined: there is none, or it cannot be made out. */
export async function loadParity(
  storage: Storage,
  key: string,
  signal: AbortSignal | undefined,
): Promise<ParityFile | undefined> {
  if (storage.traits.keys !== 'any') return undefined
  const bytes = await loadIfThere(storage, parityKey(key), signal)
  return bytes && readParity(bytes)
}

/**
 * A stored file as it was, by its parity; undefined: that is not possible. It is what its parity was made of, so a caller
 * that knows its SHA-256 compares it.
 */
export async function healFile(
  storage: Storage,
  key: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Buffer; readonly sha256: string } | undefined> {
  const parity = await loadParity(storage, key, signal)
  if (parity === undefined) return undefined
  const bytes = parity.heal((await loadIfThere(storage, key, signal)) ?? NOTHING)
  return bytes && { bytes, sha256: parity.sha256 }
}

/**
 * Puts a stored file back as it was, by its parity. Undefined: that is not possible, also where a damaged file cannot be replaced.
 *
 * @param sha256 of the file; undefined: nobody knows it but its parity
 */
export async function restoreFile(
  storage: Storage,
  key: string,
  {
    sha256,
    dryRun,
    signal,
  }: { readonly sha256: string | undefined; readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<Buffer | undefined> {
  const healed = await healFile(storage, key, signal)
  if (healed === undefined || (sha256 !== undefined && healed.sha256 !== sha256)) return undefined
  if (!storage.traits.overwrites && (await storage.find(key, { signal })) !== undefined) return undefined
  if (!dryRun) await storage.save(key, healed.bytes, { signal, sha256: healed.sha256 })
  return healed.bytes
}

async function loadIfThere(
  storage: Storage,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  try {
    return await storage.load(key, { signal })
  } catch (error) {
    if (isAppError(error, 'storage-not-found')) return undefined
    throw error
  }
}
