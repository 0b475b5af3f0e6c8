import { AppError } from '../../base/errors.ts'
import { prefixOf } from '../folder-in-bucket.ts'

/** What a URL of a repository names. */
export interface AzurePlace {
  readonly container: string
  /** Folder in the container; '' or ending in '/'. */
  readonly prefix: string
}

/**
 * As restic reads it: `azure:CONTAINER:/FOLDER`. `usage` for anything else.
 *
 * @see https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#microsoft-azure-blob-storage
 */
export function parseAzureUrl(url: string): AzurePlace {
  const rest = url.replace(/^azure:/i, '')
  const [, container = '', folder = ''] = /^([^/:]*):(.*)$/s.exec(rest) ?? []
  if (container === '' || /[?#\s]/.test(rest)) throw wrong('is not of the form azure:CONTAINER:/FOLDER')
  if (!/^(?:\$root|[a-z0-9](?:-?[a-z0-9]){2,62})$/.test(container)) {
    throw wrong(`names a container that cannot be, ${container}`)
  }
  return { container, prefix: prefixOf(folder, 'Azure') }
}

function wrong(what: string): AppError {
  return new AppError('usage', `the Azure URL of the repository ${what}`, {
    hint: 'Write azure:CONTAINER:/FOLDER, such as azure:backups:/shop.',
  })
}

/** For people: one spelling, which restic takes too. */
export function locationOf({ container, prefix }: AzurePlace): string {
  return `azure:${container}:/${prefix.slice(0, -1)}`
}
