import { userInfo } from 'node:os'
import { AppError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import { checkParameters, type Parameters, parametersOf } from './parameters.ts'
import { readService } from './service-file.ts'

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
  /** Default: `~/.pgpass`. */
  readonly passFile?: string | undefined
  /** Bind the password's exchange to the encrypted connection, as libpq's `channel_binding`. */
  readonly channelBinding?: string | undefined
  /** Which role the server must have among its replicas, as libpq's `target_session_attrs`. */
  readonly targetSessionAttrs?: string | undefined
}

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/**
 * What a person writes: a URL, keywords, or both; keywords win. What neither says comes from the service that the URL or
 * `PGSERVICE` names, and then from libpq's other `PG*` variables.
 */
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

/** The database that a URL names itself, or by its service; or undefined. */
export function databaseInUrl(url: string): string | undefined {
  return withService(parseUrl(url), process.env).get('dbname')
}

/** Likewise the host. */
export function hostInUrl(url: string): string | undefined {
  return withService(parseUrl(url), process.env).get('host')
}

/** Does a URL hold a password itself? */
export function hasPassword(url: string): boolean {
  return parseUrl(url).has('password')
}

/** Throws `source-invalid` for a URL that is none. The error never shows the URL: it may hold a password. */
export function resolveConnection(
  options: ConnectionOptions,
  environment: Environment = process.env,
): ConnectionSettings {
  const fromUrl = options.url === undefined ? new Map<string, string>() : parseUrl(options.url)
  const variables = parametersOf(environment)
  const service = fromUrl.get('service') ?? variables.get('service')
  const named = service === undefined ? fromUrl : withService(new Map([...fromUrl, ['service', service]]), environment)
  const of = (name: string): string | undefined => named.get(name) ?? variables.get(name)
  const user = options.user ?? of('user') ?? systemUser()
  const password = options.password ?? of('password')
  return {
    host: oneHost(options.host ?? of('host') ?? 'localhost'),
    port: options.port ?? portOf(of('port')) ?? 5432,
    user,
    password: password === undefined || password === '' ? undefined : new Secret(password),
    database: options.database ?? of('dbname') ?? user,
    sslMode: options.sslmode ?? sslModeOf(of('sslmode')) ?? 'prefer',
    sslRootCert: of('sslrootcert'),
    sslCert: of('sslcert'),
    sslKey: of('sslkey'),
    options: of('options'),
    connectTimeoutSeconds: secondsOf(of('connect_timeout')) ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
    passFile: of('passfile'),
    channelBinding: of('channel_binding'),
    targetSessionAttrs: oneOf('target_session_attrs', SESSION_ATTRS, of('target_session_attrs')),
  }
}

const SESSION_ATTRS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const

/** What the URL says, and for the rest the service that it names. */
function withService(named: Parameters, environment: Environment): Parameters {
  const service = named.get('service')
  if (service === undefined) return named
  const file = named.get('servicefile') ?? environment['PGSERVICEFILE']
  const defined = readService(service, file === '' ? undefined : file, environment)
  return new Map([...checkParameters(defined, `service ${service}`), ...named])
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

function parseUrl(text: string): Parameters {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text.trim())
  if (!match) {
    throw new AppError('source-invalid', 'the url is not a PostgreSQL connection url', {
      hint: 'Write it like postgres://user:password@host:5432/database; percent-encode special characters in it.',
    })
  }
  const [, login, address = '', database, query] = match
  const parts: Array<[string, string]> = [...parseLogin(login), ...parseAddress(address)]
  if (database) parts.push(['dbname', decode(database)])
  return checkParameters([...parts, ...parseQuery(query ?? '')], 'the url')
}

function parseLogin(login: string | undefined): Array<[string, string]> {
  if (!login) return []
  const colon = login.indexOf(':')
  if (colon < 0) return [['user', decode(login)]]
  return [
    ['user', decode(login.slice(0, colon))],
    ['password', decode(login.slice(colon + 1))],
  ]
}

function parseAddress(address: string): Array<[string, string]> {
  if (address === '') return []
  oneHost(address)
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(address)
  if (!match) throw invalid('host')
  return [
    ['host', decode(match[1] ?? match[2] ?? '')],
    ['port', match[3] ?? ''],
  ]
}

function oneHost(host: string): string {
  if (!host.includes(',')) return host
  throw new AppError('source-invalid', 'the connection names several hosts', {
    hint: 'Name one host: a backup is of one server.',
  })
}

/** `URLSearchParams` reads '+' as a space, libpq does not. */
function parseQuery(query: string): Array<[string, string]> {
  const values: Array<[string, string]> = []
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    if (equals <= 0) continue
    const [name, value] = [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))]
    // As libpq reads what JDBC writes; Rails and others write other values.
    if (name !== 'ssl') values.push([name, value])
    else if (/^(?:true|1|require)$/.test(value)) values.push(['sslmode', 'require'])
  }
  return values
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
  return new AppError('source-invalid', `the ${what} of the connection is not valid`, {
    hint: 'Write it like postgres://user:password@host:5432/database?sslmode=require.',
  })
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (!Number.isInteger(port) || port <= 0 || port >= 65_536) throw invalid('port')
  return port
}

/** Not a number or none: as long as it takes, which is not for us. */
function secondsOf(text: string | undefined): number | undefined {
  const seconds = Number(text)
  return Number.isInteger(seconds) && seconds > 0 ? seconds : undefined
}

function sslModeOf(text: string | undefined): SslMode | undefined {
  return oneOf('sslmode', SSL_MODES, text)
}

function oneOf<T extends string>(name: string, known: readonly T[], text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  return known.find(value => value === text) ?? fail(name, known)
}

function fail(name: string, known: readonly string[]): never {
  throw new AppError('source-invalid', `the ${name} of the connection is not valid`, {
    hint: `It is one of: ${known.join(', ')}; it may come from the url, a service or a PG* variable.`,
  })
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a user id that has no name.
    return 'postgres'
  }
}
