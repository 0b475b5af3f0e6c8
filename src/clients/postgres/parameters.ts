import { AppError } from '../../base/errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What one place says of a connection, by libpq's names of the parameters. */
export type Parameters = ReadonlyMap<string, string>

interface Parameter {
  readonly env?: string
  /**
   * `used`: we go by it, and so do PostgreSQL's programs that we start. `harmless`: it neither chooses the server, the
   * database or the role, nor guards the connection. `refused`: it would do one of these, and we can't.
   */
  readonly how: 'used' | 'harmless' | 'refused'
  /** With these values a refused parameter asks for nothing. */
  readonly except?: RegExp
}

/**
 * All that libpq knows of a connection, up to PostgreSQL 18.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  host: { env: 'PGHOST', how: 'used' },
  port: { env: 'PGPORT', how: 'used' },
  user: { env: 'PGUSER', how: 'used' },
  password: { env: 'PGPASSWORD', how: 'used' },
  passfile: { env: 'PGPASSFILE', how: 'used' },
  dbname: { env: 'PGDATABASE', how: 'used' },
  service: { env: 'PGSERVICE', how: 'used' },
  servicefile: { env: 'PGSERVICEFILE', how: 'used' },
  options: { env: 'PGOPTIONS', how: 'used' },
  connect_timeout: { env: 'PGCONNECT_TIMEOUT', how: 'used' },
  sslmode: { env: 'PGSSLMODE', how: 'used' },
  sslrootcert: { env: 'PGSSLROOTCERT', how: 'used' },
  sslcert: { env: 'PGSSLCERT', how: 'used' },
  sslkey: { env: 'PGSSLKEY', how: 'used' },
  channel_binding: { env: 'PGCHANNELBINDING', how: 'used' },
  target_session_attrs: { env: 'PGTARGETSESSIONATTRS', how: 'used' },
  hostaddr: { env: 'PGHOSTADDR', how: 'refused' },
  requiressl: { env: 'PGREQUIRESSL', how: 'refused', except: /^0$/ },
  sslcrl: { env: 'PGSSLCRL', how: 'refused' },
  sslcrldir: { env: 'PGSSLCRLDIR', how: 'refused' },
  sslpassword: { how: 'refused' },
  sslcertmode: { env: 'PGSSLCERTMODE', how: 'refused', except: /^allow$/ },
  sslnegotiation: { env: 'PGSSLNEGOTIATION', how: 'refused', except: /^postgres$/ },
  ssl_min_protocol_version: { env: 'PGSSLMINPROTOCOLVERSION', how: 'refused', except: /^TLSv1(?:\.[12])?$/ },
  ssl_max_protocol_version: { env: 'PGSSLMAXPROTOCOLVERSION', how: 'refused', except: /^TLSv1\.3$/ },
  require_auth: { env: 'PGREQUIREAUTH', how: 'refused' },
  requirepeer: { env: 'PGREQUIREPEER', how: 'refused' },
  gssencmode: { env: 'PGGSSENCMODE', how: 'refused', except: /^(?:disable|prefer)$/ },
  replication: { how: 'refused', except: /^(?:0|false|off|no)$/ },
  scram_client_key: { how: 'refused' },
  scram_server_key: { how: 'refused' },
  oauth_issuer: { how: 'refused' },
  oauth_client_id: { how: 'refused' },
  oauth_client_secret: { how: 'refused' },
  oauth_scope: { how: 'refused' },
  application_name: { env: 'PGAPPNAME', how: 'harmless' },
  fallback_application_name: { how: 'harmless' },
  client_encoding: { env: 'PGCLIENTENCODING', how: 'harmless' },
  keepalives: { how: 'harmless' },
  keepalives_idle: { how: 'harmless' },
  keepalives_interval: { how: 'harmless' },
  keepalives_count: { how: 'harmless' },
  tcp_user_timeout: { how: 'harmless' },
  krbsrvname: { env: 'PGKRBSRVNAME', how: 'harmless' },
  gsslib: { env: 'PGGSSLIB', how: 'harmless' },
  gssdelegation: { env: 'PGGSSDELEGATION', how: 'harmless' },
  sslcompression: { env: 'PGSSLCOMPRESSION', how: 'harmless' },
  sslsni: { env: 'PGSSLSNI', how: 'harmless' },
  sslkeylogfile: { how: 'harmless' },
  load_balance_hosts: { env: 'PGLOADBALANCEHOSTS', how: 'harmless' },
  min_protocol_version: { env: 'PGMINPROTOCOLVERSION', how: 'harmless' },
  max_protocol_version: { env: 'PGMAXPROTOCOLVERSION', how: 'harmless' },
}

/** In URLs that applications have: for their own driver or pool, nothing that a backup would need. */
const OF_OTHER_PROGRAMS =
  /^(?:schema|currentSchema|search_path|pgbouncer|pool\w*|max_?(?:conn\w*|overflow|pool\w*)|min_?(?:conn\w*|pool\w*)|connection_?limit|socket_?timeout|connect(?:ion)?_?timeout\w*|statement_\w+|prepare\w*|binary_parameters|sslaccept|sslidentity|uselibpqcompat|encoding|charset|serverVersion|timezone|variables|reaping_\w+|checkout_\w+|idle_\w+|lock_timeout|query_timeout|log\w*|driver|adapter|async\w*|supa\w*|workaround|endpoint|trace\w*|default\w*Isolation|stringtype|reWriteBatchedInserts|tcpKeepAlive|loginTimeout|fetch\w*)$/i

/** Checks what a place says, and leaves out what is empty. `where` says which place it is, for errors. */
export function checkParameters(given: Iterable<readonly [string, string]>, where: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const [name, value] of given) {
    if (value === '') continue
    const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
    if (parameter === undefined) {
      if (OF_OTHER_PROGRAMS.test(name)) continue
      throw new AppError('source-invalid', `${where} has a parameter that PostgreSQL does not know: ${name}`, {
        hint: 'Take it out, or correct its name.',
      })
    }
    if (isRefused(parameter, value)) throw refused(`${name} in ${where}`, `take ${name} out of it`)
    if (parameter.how === 'used') values.set(name, value)
  }
  return values
}

/** The same of libpq's variables. Others that begin with PG are somebody else's. */
export function parametersOf(environment: Environment): Map<string, string> {
  const values = new Map<string, string>()
  for (const [name, parameter] of Object.entries(PARAMETERS)) {
    const { env } = parameter
    const value = env === undefined ? undefined : environment[env]
    if (env === undefined || value === undefined || value === '') continue
    if (isRefused(parameter, value)) throw refused(`the variable ${env}`, `run it with "env -u ${env} lifeboat ..."`)
    if (parameter.how === 'used') values.set(name, value)
  }
  return values
}

const isRefused = ({ how, except }: Parameter, value: string): boolean =>
  how === 'refused' && except?.test(value) !== true

/** Its value is not shown: it may be a secret. */
function refused(what: string, remedy: string): AppError {
  return new AppError('source-invalid', `${what} asks for what Lifeboat cannot do`, {
    hint: `Where the connection works without it, ${remedy}.`,
  })
}
