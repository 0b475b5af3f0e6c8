import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'

/** Where installations look for the file of all users: Debian's, Red Hat's, and what is built from source. */
const SYSTEM_FOLDERS = [
  '/etc/postgresql-common',
  '/etc',
  '/etc/sysconfig/pgsql',
  '/usr/local/pgsql/etc',
  '/usr/local/etc',
]
const FILE = 'pg_service.conf'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The parameters of a service: from the user's own file, or else from the one of all users. Throws `source-invalid` when
 * nobody defines it.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgservice.html
 */
export function readService(name: string, file: string | undefined, environment: Environment): Array<[string, string]> {
  const home = environment['HOME'] ?? homedir()
  const own = file ?? join(home, `.${FILE}`)
  const shared = environment['PGSYSCONFDIR']
  const folders = shared === undefined ? SYSTEM_FOLDERS : [shared]
  for (const path of [own, ...folders.map(folder => join(folder, FILE))]) {
    const found = findService(read(path, path === file), name)
    if (found !== undefined) return found
  }
  throw new AppError('source-invalid', `there is no service ${name} in ${own}`, {
    hint: `Define it there ("[${name}]", then "host=...", "dbname=..."), or correct service= and PGSERVICE.`,
  })
}

function read(path: string, isNamed: boolean): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    if (!isNamed && (code === 'ENOENT' || code === 'ENOTDIR')) return ''
    throw new AppError('source-invalid', `cannot read the service file ${path}: ${messageOf(error)}`, {
      hint: 'Check PGSERVICEFILE, and that you may read the file.',
      cause: error,
    })
  }
}

function findService(text: string, name: string): Array<[string, string]> | undefined {
  let found: Array<[string, string]> | undefined
  for (const line of text.split('\n').map(each => each.trim())) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('[')) {
      if (found !== undefined) return found
      if (line.startsWith(`[${name}]`)) found = []
      continue
    }
    if (found === undefined) continue
    const equals = line.indexOf('=')
    const key = line.slice(0, Math.max(equals, 0))
    // `ldap://...` and a service within a service lead elsewhere.
    if (equals <= 0 || key === 'service' || key === 'servicefile' || /^ldaps?:/.test(line)) {
      throw new AppError('source-invalid', `service ${name} has a line that is no parameter`, {
        hint: 'Each line is a parameter, "=" and its value, without blanks around the sign; ldap is not supported.',
      })
    }
    found.push([key, line.slice(equals + 1)])
  }
  return found
}
