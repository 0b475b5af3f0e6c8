import { AppError } from '../base/errors.ts'
import { azure } from './azure/index.ts'
import { gcs } from './gcs/index.ts'
import { local } from './local/index.ts'
import { rclone } from './rclone/index.ts'
import { rest } from './rest/index.ts'
import { s3 } from './s3/index.ts'
import { sftp } from './sftp/index.ts'
import type { StorageDefinition, StorageFactory } from './storage.ts'

/** Every kind of storage there is. The one place that opens the adapters' folders. */
export const STORAGES: readonly StorageDefinition[] = [
  register(local),
  register(s3),
  register(azure),
  register(gcs),
  register(sftp),
  register(rest),
  register(rclone),
]

/** The adapter for a repository's URL; `unsupported` when there is none. */
export function findStorage(url: string, storages = STORAGES): StorageDefinition {
  const found = storages.find(storage => storage.matches(url))
  if (found) return found
  const forms = storages.flatMap(storage => storage.forms).join(', ')
  if (url.trim() === '') {
    throw new AppError('unsupported', 'the repository url is empty', { hint: `Write one of: ${forms}.` })
  }
  if (/^memory:/i.test(url)) {
    throw new AppError('unsupported', 'memory: is gone when the process ends, so it cannot hold a repository', {
      hint: `Write one of: ${forms}.`,
    })
  }
  throw new AppError('unsupported', `no storage for the repository url ${schemeOf(url)}`, {
    hint: `This version stores to: ${forms}. A folder whose name holds a colon is written with ./ in front.`,
  })
}

// Only the scheme: the rest of a URL may hold a password.
function schemeOf(url: string): string {
  return `${/^[^:/]*:?/.exec(url)?.[0] ?? ''}...`
}

/** Forgets the type of the options: who calls the factory has parsed them with this definition's own schema. */
function register<Options>(definition: StorageDefinition<Options>): StorageDefinition {
  return {
    ...definition,
    access: (url, options) => definition.access(url, options as Options),
    load: async (): Promise<StorageFactory> => {
      const open = await definition.load()
      return (url, options, context) => open(url, options as Options, context)
    },
  }
}
