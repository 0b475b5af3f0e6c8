import { userInfo } from 'node:os'
import { AppError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'

/** Where a server is and who we are there. The password never leaves its `Secret` but into a socket or an environment. */
export interface ConnectionSettings {
  /** A name or address, or the folder of a Unix-domain socket (starts with '/'). */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret | undefined
  readonly database: string
  readonly sslMode: SslMode
  readonly sslRootCert?: string | undefined
  readonly sslCert?: string | undefined
  readonly sslKey?: string | undefined
  /** Server settings for the session, as libpq's `options`: `-c search_path=shop`. */
  readonly options?: string | undefined
  readonly connectTimeoutSeconds: number
}

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** What a person writes: a URL, keywords, or both; keywords win. What neither says comes from libpq's `PG*` variables. */
export interface ConnectionOptions {
  readonly url?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly database?: string | undefined
  readonly sslmode?: SslMode | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS */
const URL_FORM = /^postgres(?:ql)?:\/\//i
const DEFAULT_CONNECT_TIMEOUT_SECONDS = 15

export function isPostgresUrl(text: string): boolean {
  return URL_FORM.test(text)
}

/** The database that a URL names itself, or undefined. */
export function databaseInUrl(url: string): string | undefined {
  return parseUrl(url).database
}

/** Likewise the host. */
export function hostInUrl(url: string): string | undefined {
  return parseUrl(url).host
}

/** Does a URL hold a password itself? */
export function hasPassword(url: string): boolean {
  return parseUrl(url).password !== undefined
}

/** Throws `source-invalid` for a URL that is none. The error never shows the URL: it may hold a password. */
export function resolveConnection(
  options: ConnectionOptions,
  environment: Environment = process.env,
): ConnectionSettings {
  const fromUrl = options.url === undefined ? {} : parseUrl(options.url)
  const user = options.user ?? fromUrl.user ?? environment['PGUSER'] ?? systemUser()
  const password = options.password ?? fromUrl.password ?? environment['PGPASSWORD']
  return {
    host: options.host ?? fromUrl.host ?? environment['PGHOST'] ?? 'localhost',
    port: options.port ?? fromUrl.port ?? portOf(environment['PGPORT']) ?? 5432,
    user,
    password: password === undefined || password === '' ? undefined : new Secret(password),
    database: options.database ?? fromUrl.database ?? environment['PGDATABASE'] ?? user,
    sslMode: options.sslmode ?? fromUrl.sslmode ?? sslModeOf(environment['PGSSLMODE']) ?? 'prefer',
    sslRootCert: fromUrl.sslrootcert ?? environment['PGSSLROOTCERT'],
    sslCert: fromUrl.sslcert ?? environment['PGSSLCERT'],
    sslKey: fromUrl.sslkey ?? environment['PGSSLKEY'],
    options: fromUrl.options ?? environment['PGOPTIONS'],
    connectTimeoutSeconds: fromUrl.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
  }
}

/** For people and errors: `postgres://app@db:5432/shop`, never with the password. */
export function describeConnection(settings: ConnectionSettings, database = settings.database): string {
  return urlOf(settings, encodeURIComponent(database))
}

/** Likewise, of a server's databases: `postgres://app@db:5432/`. */
export function describeServer(settings: ConnectionSettings): string {
  return urlOf(settings, '')
}

function urlOf(settings: ConnectionSettings, database: string): string {
  const host = settings.host.startsWith('/') ? '' : settings.host.includes(':') ? `[${settings.host}]` : settings.host
  const socket = settings.host.startsWith('/') ? `?host=${settings.host}` : ''
  const port = host === '' ? `:${settings.port}` : `${host}:${settings.port}`
  return `postgres://${encodeURIComponent(settings.user)}@${port}/${database}${socket}`
}

interface UrlParts {
  user?: string
  password?: string
  host?: string
  port?: number
  database?: string
  sslmode?: SslMode
  sslrootcert?: string
  sslcert?: string
  sslkey?: string
  options?: string
  connectTimeout?: number
}

function parseUrl(text: string): UrlParts {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text.trim())
  if (!match) {
    throw new AppError('source-invalid', 'the url is not a PostgreSQL connection url', {
      hint: 'Write it like postgres://user:password@host:5432/database; percent-encode special characters in it.',
    })
  }
  const [, login, address = '', database, query] = match
  const parts: UrlParts = { ...parseLogin(login), ...parseAddress(address) }
  if (database) parts.database = decode(database)
  return { ...parts, ...parseQuery(query ?? '') }
}

function parseLogin(login: string | undefined): UrlParts {
  if (!login) return {}
  const colon = login.indexOf(':')
  if (colon < 0) return { user: decode(login) }
  const user = decode(login.slice(0, colon))
  return { ...(user === '' ? {} : { user }), password: decode(login.slice(colon + 1)) }
}

function parseAddress(address: string): UrlParts {
  if (address === '') return {}
  if (address.includes(',')) {
    throw new AppError('source-invalid', 'the url names several hosts', {
      hint: 'Name one host: a backup is of one server.',
    })
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(address)
  if (!match) throw invalid('host')
  const host = decode(match[1] ?? match[2] ?? '')
  const port = match[3] ? portOf(match[3]) : undefined
  if (match[3] && port === undefined) throw invalid('port')
  return { ...(host === '' ? {} : { host }), ...(port === undefined ? {} : { port }) }
}

/** `URLSearchParams` reads '+' as a space, libpq does not. Parameters of other programs (`schema`, `pgbouncer`) are let pass. */
function parseQuery(query: string): UrlParts {
  const values = new Map<string, string>()
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    if (equals > 0) values.set(decode(pair.slice(0, equals)), decode(pair.slice(equals + 1)))
  }
  const parts: UrlParts = {}
  for (const key of ['user', 'password', 'host', 'sslrootcert', 'sslcert', 'sslkey', 'options'] as const) {
    const value = values.get(key)
    if (value !== undefined && value !== '') parts[key] = value
  }
  const port = values.get('port')
  if (port !== undefined) parts.port = portOf(port) ?? fail(invalid('port'))
  const database = values.get('dbname')
  if (database) parts.database = database
  const sslmode = values.get('sslmode')
  if (sslmode !== undefined) parts.sslmode = sslModeOf(sslmode) ?? fail(invalid('sslmode'))
  const timeout = Number(values.get('connect_timeout'))
  if (Number.isInteger(timeout) && timeout > 0) parts.connectTimeout = timeout
  return parts
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AppError('source-invalid', 'the url has a percent sign that encodes nothing', {
      hint: 'Percent-encode special characters in user name and password: "%" is "%25", "@" is "%40", "/" is "%2F".',
    })
  }
}

function invalid(what: string): AppError {
  return new AppError('source-invalid', `the ${what} in the url is not valid`, {
    hint: 'Write it like postgres://user:password@host:5432/database?sslmode=require.',
  })
}

function fail(error: AppError): never {
  throw error
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text)
  return text !== undefined && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined
}

function sslModeOf(text: string | undefined): SslMode | undefined {
  return SSL_MODES.find(mode => mode === text)
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a user id that has no name.
    return 'postgres'
  }
}
