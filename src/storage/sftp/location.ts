import { posix } from 'node:path'
import { AppError } from '../../base/errors.ts'
import type { SshPlace } from '../../clients/sftp/index.ts'

export interface SftpLocation extends SshPlace {
  /** On the server: absolute, or relative to where a login begins, which is most often the home folder. */
  readonly folder: string
}

export const FORMS = ['sftp:user@host:/folder', 'sftp://user@host:port//folder']

const HINT = `Write ${FORMS.join(' or ')}; with a single slash after the host, or none, the folder is in the home folder.`

/**
 * The place that a URL names, read as restic reads it: `sftp:user@host:/absolute`, `sftp:user@host:relative`,
 * `sftp://user@host:port//absolute`, `sftp://user@host:port/relative`. Throws `usage`, and names no password.
 *
 * @see https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#sftp
 */
export function locationOf(url: string): SftpLocation {
  const { folder, ...place } = url.startsWith('sftp://') ? ofUrl(url) : ofScp(url.slice('sftp:'.length))
  if (place.host === '') throw invalid('it names no host')
  const clean = posix.normalize(folder).replace(/(?<=.)\/$/, '')
  if (clean.startsWith('~')) {
    throw invalid(
      'its folder begins with "~", which servers do not understand',
      'Leave "~/" out: a relative folder is in the home folder.',
    )
  }
  return { ...place, folder: clean }
}

function ofUrl(text: string): SftpLocation {
  const url = URL.parse(text)
  if (url === null) throw invalid('it cannot be read')
  if (url.password !== '') throw withPassword()
  if (url.search !== '' || url.hash !== '') throw invalid('"?" and "#" mean something else in it', 'Write %3F or %23.')
  if (url.pathname === '') throw invalid('it names no folder')
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      user: url.username === '' ? undefined : decodeURIComponent(url.username),
      port: url.port === '' ? undefined : Number(url.port),
      folder: decodeURIComponent(url.pathname.slice(1)),
    }
  } catch (cause) {
    throw invalid('its "%" is followed by no two digits', 'Write %25 for the sign itself.', cause)
  }
}

/** As `scp` writes it; a user may be an address of a domain. */
function ofScp(text: string): SftpLocation {
  const colon = text.indexOf(':')
  if (colon < 0) throw invalid('it names no folder')
  const login = text.slice(0, colon)
  const folder = text.slice(colon + 1)
  // What would be read as the host "user" and the folder "password@host:...".
  if (/^[^/]*@[^/]*:/.test(folder)) throw withPassword()
  const at = login.lastIndexOf('@')
  return {
    host: login.slice(at + 1),
    user: at < 0 ? undefined : login.slice(0, at),
    port: undefined,
    folder,
  }
}

function withPassword(): AppError {
  return invalid(
    'it holds a password',
    'Leave it out: SFTP logs in by a key. "ssh-copy-id user@host" puts yours there.',
  )
}

function invalid(why: string, hint = HINT, cause?: unknown): AppError {
  return new AppError('usage', `cannot use the repository url sftp:...: ${why}`, { hint, cause })
}
