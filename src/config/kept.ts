import { stringify } from 'yaml'
import { isRepositoryUrl } from '../model/repository-url.ts'
import { writtenDocument } from './document.ts'

/** Keys whose value is a secret itself: `password`, and not `passwordFile`. */
const SECRET_KEY = /(password|passphrase|secret|token|authorization|cookie|credentials?|api-?key)$/i
/** Between "://user:" and the last "@" before the path; where the password has a slash in it, the last "@" of all. */
const IN_AUTHORITY = /(:\/\/[^\s:@/?#]*:)([^\s/?#]*)(?=@)/g
const IN_MALFORMED = /(:\/\/[^\s:@/?#]*:)(\S*)(?=@)/g
/** Of a connection string, a query, or a program's argument. */
const ASSIGNED = /([\w-]*(?:password|passphrase|secret|token|api-?key)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&#]+)/gi
const REFERENCE_ALONE = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-.*)?\}$/s

/**
 * The configuration as a backup keeps it in the repository of this name: variables of the environment as `${NAME}`, secrets
 * replaced by variables that tell where they stood (`${REMOVED_SOURCES_SHOP_PASSWORD}`). Comments go: nobody can tell what is
 * in them.
 */
export function keptConfiguration(text: string, repository: string): string {
  const where = isRepositoryUrl(repository) ? 'a repository without a name' : `repository ${repository}`
  return (
    `# Kept by Lifeboat in ${where}, without comments. REMOVED_... stands for a secret that stood there.\n` +
    stringify(withoutSecrets(writtenDocument(text), []), { lineWidth: 0 })
  )
}

const KEPT_IN = /^# Kept by Lifeboat in repository ([A-Za-z0-9._-]+),/

/** The name of the repository that a kept configuration was in. */
export function repositoryOfKept(text: string): string | undefined {
  return KEPT_IN.exec(text)?.[1]
}

function withoutSecrets(value: unknown, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((each, index) => withoutSecrets(each, [...path, String(index)]))
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, each]) => [key, withoutSecrets(each, [...path, key])] as const)
    return Object.fromEntries(entries)
  }
  if (value === null || value === undefined) return value
  const key = path.findLast(part => !/^\d+$/.test(part)) ?? ''
  if (SECRET_KEY.test(key)) return variableFor(typeof value === 'string' ? value : '', path)
  return typeof value === 'string' ? withoutPasswords(value, path) : value
}

function withoutPasswords(text: string, path: readonly string[]): string {
  const replace = (_: string, before: string, secret: string): string => before + variableFor(secret, path)
  const cleaned = text.replace(IN_AUTHORITY, replace)
  return (cleaned === text && !text.includes('${') ? text.replace(IN_MALFORMED, replace) : cleaned).replace(
    ASSIGNED,
    replace,
  )
}

/** A variable of the environment stays, without the value that it has by default. */
function variableFor(secret: string, path: readonly string[]): string {
  const place = path
    .join('_')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase()
  return `\${${REFERENCE_ALONE.exec(secret)?.[1] ?? `REMOVED_${place}`}}`
}
