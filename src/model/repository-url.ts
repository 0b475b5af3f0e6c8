import { resolve } from 'node:path'
import { AppError } from '../base/errors.ts'
import { typedPath } from '../base/typed-path.ts'

/**
 * Tells a repository's URL or path (`/backups`, `./backups`, `~/backups`, `file:///backups`) from the name of one in the
 * configuration. Nothing can be both: names have no slash or colon, and begin with a letter or digit.
 */
export function isRepositoryUrl(text: string): boolean {
  return /^(\.{1,2}(\/|$)|\/|\\|~(\/|$)|[A-Za-z][A-Za-z0-9+.-]*:)/.test(text)
}

/** Also after a scheme of our own: `s3:https://...`. */
const PASSWORD = /^((?:[a-z][a-z0-9+.-]*:){1,2}\/\/[^/@\s]*?):[^/\s]*@/i

/**
 * The one spelling of a URL that a person typed in `folder`: a path becomes absolute. `usage` for a password in it, and for
 * a path of Windows.
 */
export function typedRepositoryUrl(
  url: string,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  requireNoPassword(url)
  const path = typedPath(url, environment)
  return /^[a-z][a-z0-9+.-]*:/i.test(path) ? path : resolve(folder, path)
}

/** `usage` for a URL with a password in it: where it was typed, other users can read it. */
function requireNoPassword(url: string): void {
  const [, before] = PASSWORD.exec(url) ?? []
  if (before === undefined) return
  throw new AppError(
    'usage',
    `the repository URL ${before}:... holds a password, which others on this machine can read`,
    {
      hint: 'Leave it out: passwords come from the environment or from the configuration.',
    },
  )
}

/** For what is shown or printed: without the password, the query and the fragment, which may hold one. */
export function urlWithoutPassword(url: string): string {
  return url.replace(/(\/\/[^\s:@/]*):[^\s/]*@/, '$1@').replace(/[?#].*$/s, '')
}

/** For commands that are to be typed: as it is, or in the shell's quotes. */
export function typedWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** What commands on this repository need besides its configuration: ` --repo URL` where it has none. */
export function repoFlag(repository: string): string {
  return isRepositoryUrl(repository) ? ` --repo ${typedWord(repository)}` : ''
}
