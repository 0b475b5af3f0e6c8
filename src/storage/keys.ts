import { AppError } from '../base/errors.ts'

const KEY = /^[a-z0-9_-][a-z0-9._-]*(?:\/[a-z0-9_-][a-z0-9._-]*)*$/
const LONGEST = 512

/** Adapters keep unfinished objects here; no key may lie below it. */
export const RESERVED_PREFIX = 'tmp/'

/** Throws `storage-denied` unless the key is relative, stays inside, and names an object of the repository. */
export function assertKey(key: string): void {
  if (key.length > LONGEST || !KEY.test(key) || key.startsWith(RESERVED_PREFIX) || key === 'tmp') {
    throw new AppError('storage-denied', `refusing the key ${JSON.stringify(key.slice(0, LONGEST))}`)
  }
}

/** Throws `storage-denied` unless the prefix is `''` or a folder of keys ending in '/'. */
export function assertPrefix(prefix: string): void {
  if (prefix === '') return
  if (!prefix.endsWith('/')) throw new AppError('storage-denied', `refusing the prefix ${JSON.stringify(prefix)}`)
  assertKey(prefix.slice(0, -1))
}
