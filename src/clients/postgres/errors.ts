import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import { type ConnectionSettings, describeConnection } from './settings.ts'

interface Meaning {
  readonly code:
    | 'source-unreachable'
    | 'source-invalid'
    | 'source-busy'
    | 'tool-failed'
    | 'target-full'
    | 'target-in-use'
  readonly what: string
  readonly hint: string
}

interface Rule {
  /** SQLSTATE or Node's error code. Without any, only the words tell it, and they go before all codes. */
  readonly codes: readonly string[]
  /** The same thing in the words of a tool's stderr. */
  readonly text: RegExp
  readonly meaning: (settings: ConnectionSettings, message: string) => Meaning
}

/** The first that fits says what happened. Wordings of PostgreSQL 13 to 18. */
const RULES: readonly Rule[] = [
  {
    codes: ['28P01'],
    text: /password authentication failed|no password supplied|SASL: SCRAM.*(?:password|string)|client password must be/i,
    meaning: settings => ({
      code: 'source-unreachable',
      what: `the server refuses the password of user ${settings.user}`,
      hint: 'Check the password in the url, in passwordEnv or passwordFile, or in ~/.pgpass.',
    }),
  },
  {
    codes: [],
    text: /must be superuser or replication role to start walsender|permission denied to start WAL sender|no pg_hba.conf entry for replication/i,
    meaning: (settings, message) =>
      /pg_hba/.test(message)
        ? {
            code: 'source-invalid',
            what: `the server's pg_hba.conf allows user ${settings.user} no replication connection`,
            hint: `Add the line "host replication ${settings.user} <address>/32 scram-sha-256" to pg_hba.conf, then run "SELECT pg_reload_conf();".`,
          }
        : {
            code: 'source-invalid',
            what: `user ${settings.user} may not replicate`,
            hint: `As a superuser run: ALTER ROLE "${settings.user}" WITH REPLICATION;`,
          },
  },
  {
    codes: ['3D000'],
    text: /database "[^\n]*" does not exist/i,
    meaning: (settings, message) => ({
      code: 'source-unreachable',
      what: `there is no database ${/database "([^\n]*)" does not exist/.exec(message)?.[1] ?? settings.database}`,
      hint: 'Check the database\'s name in the url; "psql -l" lists those that exist.',
    }),
  },
  {
    codes: ['28000'],
    text: /FATAL: +role "[^\n]*" does not exist|no pg_hba.conf entry|role "[^\n]*" is not permitted to log in|Peer authentication failed|pg_hba.conf rejects/i,
    meaning: settings => ({
      code: 'source-unreachable',
      what: `the server lets user ${settings.user} not in`,
      hint: "Check the user in the url and the server's pg_hba.conf (address, database, user, SSL).",
    }),
  },
  {
    codes: ['53300'],
    text: /too many clients already|remaining connection slots are reserved|too many connections for/i,
    meaning: () => ({
      code: 'source-busy',
      what: 'the server has no connection left',
      hint: 'Try again later, lower "jobs", or raise max_connections.',
    }),
  },
  {
    codes: ['57P03'],
    text: /the database system is (?:starting up|shutting down|in recovery mode|not yet accepting connections)/i,
    meaning: () => ({
      code: 'source-busy',
      what: 'the server is starting up or shutting down',
      hint: 'Try again when it is up.',
    }),
  },
  {
    codes: [],
    text: /row-level security policy/i,
    meaning: (settings, message) => ({
      code: 'source-invalid',
      what: `row security hides rows from user ${settings.user}: ${firstLine(message)}`,
      hint: `As a superuser run: ALTER ROLE "${settings.user}" BYPASSRLS;`,
    }),
  },
  {
    codes: ['55006'],
    text: /is being accessed by other users/i,
    meaning: (_settings, message) => ({
      code: 'target-in-use',
      what: firstLine(message),
      hint: 'Stop what is connected to that database, then try again.',
    }),
  },
  {
    codes: ['42501'],
    text: /permission denied|must be owner of|must be superuser|must be member of role/i,
    meaning: (settings, message) => ({
      code: 'source-invalid',
      what: `user ${settings.user} may not do this: ${firstLine(message)}`,
      hint: `As a superuser run: GRANT pg_read_all_data TO "${settings.user}"; (PostgreSQL 14 and newer; for a restore the user must own what it replaces).`,
    }),
  },
  {
    codes: ['55P03'],
    text: /canceling statement due to lock timeout|could not obtain lock/i,
    meaning: (_settings, message) => ({
      code: 'source-busy',
      what: `a table is locked by somebody else: ${firstLine(message)}`,
      hint: 'Wait until the migration or maintenance that holds the lock is over, then try again.',
    }),
  },
  {
    codes: ['53100', '53200'],
    text: /No space left on device|out of shared memory/i,
    meaning: (_settings, message) => ({
      code: /space/i.test(message) ? 'target-full' : 'source-busy',
      what: firstLine(message),
      hint: /space/i.test(message)
        ? "Make room on the server's disk, then try again."
        : 'Raise max_locks_per_transaction on the server.',
    }),
  },
  {
    codes: ['ECONNREFUSED', 'ENOENT'],
    text: /Connection refused|Is the server running|No such file or directory\s+Is the server/i,
    meaning: settings => ({
      code: 'source-unreachable',
      what: 'nobody answers there',
      hint: settings.host.startsWith('/')
        ? `Is the server running, and is ${settings.host} its socket folder (unix_socket_directories)?`
        : 'Is the server running, and are host and port right? Try "pg_isready" with them.',
    }),
  },
  {
    codes: ['ENOTFOUND', 'EAI_AGAIN'],
    text: /could not translate host name|Name or service not known/i,
    meaning: settings => ({
      code: 'source-unreachable',
      what: `the host name ${settings.host} is not known`,
      hint: "Check the host in the url, and this machine's DNS.",
    }),
  },
  {
    codes: ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
    text: /timeout expired|connection timed out|timeout exceeded|No route to host|Network is unreachable/i,
    meaning: () => ({
      code: 'source-unreachable',
      what: 'the server did not answer in time',
      hint: 'Check host, port and the firewalls between here and there.',
    }),
  },
  {
    codes: ['ECONNRESET', 'EPIPE', '57P01', '57P02', '08006', '08003', '08001', '25P03', '57P05'],
    text: /server closed the connection unexpectedly|SSL SYSCALL error|SSL connection has been closed|Connection terminated|terminating connection|connection to server was lost|could not receive data from|Client has encountered a connection error/i,
    meaning: () => ({
      code: 'source-unreachable',
      what: 'the connection to the server broke',
      hint: "Look into the server's log; when it is up again, run the same command again.",
    }),
  },
  {
    codes: ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    text: /SSL (?:error|connection|is not enabled|was required)|does not support SSL|certificate/i,
    meaning: (_settings, message) => ({
      code: 'source-unreachable',
      what: `no encrypted connection: ${firstLine(message)}`,
      hint: 'Check sslmode and sslrootcert in the url; "sslmode=require" encrypts without checking the certificate.',
    }),
  },
]

/**
 * Wraps what the driver threw. `doing` completes "cannot ...": `read shop`. An `AppError` is passed on as it is.
 */
export function postgresError(
  error: unknown,
  settings: ConnectionSettings,
  doing: string,
  database?: string,
): AppError {
  if (isAppError(error)) return error
  const message = redact(messageOf(flatten(error)), settings)
  return toAppError(message, systemCode(flatten(error)), settings, doing, database)
}

/** The same for a tool that failed, from what it wrote to stderr. */
export function toolError(
  tool: string,
  stderr: string,
  exit: { readonly code: number | undefined; readonly killedBy: string | undefined },
  settings: ConnectionSettings,
  doing: string,
): AppError {
  const text = redact(stderr, settings).trim()
  const how = exit.code === undefined ? `killed by ${exit.killedBy ?? 'a signal'}` : `exit code ${exit.code}`
  if (text === '') {
    return new AppError('tool-failed', `cannot ${doing}: ${tool} ended without a word (${how})`, {
      hint: "Look into the server's log, and whether this machine ran out of memory; then try again.",
    })
  }
  return toAppError(text, undefined, settings, doing, undefined, tool)
}

/** The server's own words, without ours around them. */
export function serverWords({ context, message }: AppError): string {
  const said = context['said']
  return typeof said === 'string' ? said : message
}

/** Hides the password in text that we did not write. */
export function redact(text: string, settings: ConnectionSettings): string {
  const password = settings.password?.reveal()
  if (password === undefined || password.length === 0) return text
  return text.replaceAll(password, '***').replaceAll(encodeURIComponent(password), '***')
}

function toAppError(
  message: string,
  code: string | undefined,
  settings: ConnectionSettings,
  doing: string,
  database?: string,
  tool?: string,
): AppError {
  const place = describeConnection(settings, database)
  const rule =
    RULES.find(each => each.codes.length === 0 && each.text.test(message)) ??
    RULES.find(each => code !== undefined && each.codes.includes(code)) ??
    RULES.find(each => each.text.test(message))
  const meaning = rule?.meaning(settings, message)
  const context = { server: place, said: lastLines(message), ...(code === undefined ? {} : { sqlState: code }) }
  if (meaning)
    return new AppError(meaning.code, `cannot ${doing} at ${place}: ${meaning.what}`, { hint: meaning.hint, context })
  return new AppError('tool-failed', `cannot ${doing} at ${place}: ${telling(message)}`, {
    hint: `${tool ?? 'PostgreSQL'} said this; its manual and the server's log may say more.`,
    context,
  })
}

/** Several addresses of one name fail as one `AggregateError` without a message. */
function flatten(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? (error.errors[0] as unknown) : error
}

/** The line of a tool's stderr that says most: the first error. */
function telling(message: string): string {
  const lines = message.split('\n').filter(line => line.trim() !== '')
  return (lines.find(line => /\b(?:error|fatal|panic):/i.test(line)) ?? lines[0] ?? 'no message').trim()
}

function firstLine(message: string): string {
  return telling(message)
}

function lastLines(message: string): string {
  return message.split('\n').slice(-20).join('\n').slice(-4000)
}
