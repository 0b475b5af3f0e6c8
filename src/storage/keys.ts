import { AppError } from '../base/errors.ts'
import type { StorageTraits } from './storage.ts'

const KEY = /^[a-z0-9_-][a-z0-9._-]*(?:\/[a-z0-9_-][a-z0-9._-]*)*$/
const LONGEST = 512
/** @see https://restic.readthedocs.io/en/stable/100_references.html#repository-layout */
const RESTIC_KEY = /^(?:config|data\/([0-9a-f]{2})\/\1[0-9a-f]{62}|(?:index|keys|locks|snapshots)\/[0-9a-f]{64})$/

/** Adapters keep unfinished objects here; no key may lie below it. */
export const RESERVED_PREFIX = 'tmp/'

/** May this be a key? What else lies in a bucket is not ours. */
export function isKey(key: string, taken: StorageTraits['keys'] = 'any'): boolean {
  const isAny = key.length <= LONGEST && KEY.test(key) && !key.startsWith(RESERVED_PREFIX) && key !== 'tmp'
  return isAny && (taken === 'any' || RESTIC_KEY.test(key))
}

/** Throws `storage-denied` unless the key is relative, stays inside, and is one that this storage takes. */
export function assertKey(key: string, taken: StorageTraits['keys'] = 'any'): void {
  if (isKey(key, taken)) return
  const why = isKey(key) ? ': this storage takes only files of a restic repository' : ''
  throw new AppError('storage-denied', `refusing the key ${JSON.stringify(key.slice(0, LONGEST))}${why}`)
}

/** Throws `storage-denied` unless the prefix is `''` or a folder of keys ending in '/'. */
export function assertPrefix(prefix: string): void {
  if (prefix === '') return
  if (!prefix.endsWith('/')) throw new AppError('storage-denied', `refusing the prefix ${JSON.stringify(prefix)}`)
  assertKey(prefix.slice(0, -1))
}
