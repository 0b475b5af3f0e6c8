import { AppError } from '../base/errors.ts'
import { local } from './local/index.ts'
import { memory } from './memory/index.ts'
import type { StorageDefinition } from './storage.ts'

export const STORAGES: readonly StorageDefinition[] = [local, memory]

/** The adapter for a repository's URL; `unsupported` when there is none. */
export function findStorage(url: string): StorageDefinition {
  const found = STORAGES.find(storage => storage.matches(url))
  if (found) return found
  const forms = STORAGES.flatMap(storage => storage.forms).join(', ')
  if (url.trim() === '') {
    throw new AppError('unsupported', 'the repository url is empty', { hint: `Write one of: ${forms}.` })
  }
  throw new AppError('unsupported', `no storage for the repository url ${schemeOf(url)}`, {
    hint: `This version stores to: ${forms}. A folder whose name holds a colon is written with ./ in front.`,
  })
}

// Only the scheme: the rest of a URL may hold a password.
function schemeOf(url: string): string {
  return `${/^[^:/]*:?/.exec(url)?.[0] ?? ''}...`
}
