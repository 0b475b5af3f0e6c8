import type { ConnectionSettings } from './settings.ts'
import { quoteIdentifier } from './sql.ts'

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
  /** `writing`: it was about to change something, not to read. */
  readonly meaning: (settings: ConnectionSettings, message: string, writing: boolean) => Meaning
}

/** The first that fits says what happened. Wordings of PostgreSQL 13 to 18. */
export const RULES: readonly Rule[] = [
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
    text: /must be superuser or replication role|permission denied to (?:start WAL sender|use replication slots)|no pg_hba.conf entry for replication/i,
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
      what: `row security hides rows from user ${settings.user}: ${telling(message)}`,
      hint: `As a superuser run: ALTER ROLE "${settings.user}" BYPASSRLS;`,
    }),
  },
  {
    codes: ['55006'],
    text: /is being accessed by other users/i,
    meaning: (_settings, message) => ({
      code: 'target-in-use',
      what: telling(message),
      hint: 'Stop what is connected to that database, then try again.',
    }),
  },
  {
    codes: ['25006'],
    text: /cannot execute [A-Z ]+ in a read-only transaction|cannot execute [A-Z ]+ during recovery/i,
    meaning: (settings, message) => ({
      code: 'source-invalid',
      what: telling(message),
      hint: /during recovery/.test(message)
        ? 'Name the primary server in the url: this one is a standby.'
        : `Where the server is no standby, run as a superuser: ALTER ROLE ${role(settings)} SET default_transaction_read_only = off; (or ALTER DATABASE, where it is set there).`,
    }),
  },
  {
    codes: [],
    text: /replication slot "[^\n]*" is active for PID/i,
    meaning: (_settings, message) => ({
      code: 'source-busy',
      what: telling(message),
      hint: `Stop the other "lifeboat wal receive" or pg_receivewal; or as a superuser run: SELECT pg_terminate_backend(${/for PID (\d+)/.exec(message)?.[1] ?? '...'});`,
    }),
  },
  {
    codes: [],
    text: /locale is incompatible with operating system|not recognized by setlocale|could not open collator for locale/i,
    meaning: (_settings, message) => ({
      code: 'source-invalid',
      what: telling(message),
      hint: 'Install that locale on the machine of the server (Debian: dpkg-reconfigure locales), then restart the server.',
    }),
  },
  {
    codes: ['42501'],
    text: /permission denied|must be owner of|must be superuser|must be member of role|must be able to SET ROLE/i,
    meaning: (settings, message, writing) => ({
      code: 'source-invalid',
      what: `user ${settings.user} may not do this: ${telling(message)}`,
      hint: rightFor(settings, message, writing),
    }),
  },
  {
    codes: ['55P03'],
    text: /canceling statement due to lock timeout|could not obtain lock/i,
    meaning: (_settings, message) => ({
      code: 'source-busy',
      what: `a table is locked by somebody else: ${telling(message)}`,
      hint: 'Wait until the migration or maintenance that holds the lock is over, then try again.',
    }),
  },
  {
    codes: ['53100', '53200'],
    text: /No space left on device|out of shared memory/i,
    meaning: (_settings, message) => ({
      code: /space/i.test(message) ? 'target-full' : 'source-busy',
      what: telling(message),
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
      what: `no encrypted connection: ${telling(message)}`,
      hint: 'Check sslmode and sslrootcert in the url; "sslmode=require" encrypts without checking the certificate.',
    }),
  },
]

/** The line of a tool's stderr that says most: the first error. What pg_restore says before it is where it was. */
export function telling(message: string): string {
  const lines = message.split('\n').filter(line => line.trim() !== '')
  return (lines.find(line => /\b(?:error|fatal|panic):/i.test(line)) ?? lines[0] ?? 'no message').trim()
}

const SHOWN_CHARS = 240

/** Where in the database it happened, and at which statement: pg_restore and the server say so below the error. */
export function circumstances(message: string): string {
  const field = (name: string): string | undefined => new RegExp(`^${name}:? +(.+)$`, 'm').exec(message)?.[1]?.trim()
  // COPY's own context shows a value of the row.
  const context = field('CONTEXT')?.replace(/^(COPY [^:\n]*):.*$/, '$1')
  const query = field('QUERY')
  const command = field('Command was:')
  const parts = [
    ...(context === undefined ? [] : [`in: ${cut(context)}`]),
    ...(query === undefined ? [] : [`in the query: ${cut(query)}`]),
    ...(command === undefined ? [] : [`while it did: ${cut(command)}`]),
  ]
  return parts.length === 0 ? '' : `; ${parts.join('; ')}`
}

const cut = (text: string): string => (text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text)

const role = ({ user }: ConnectionSettings): string => quoteIdentifier(user)

/** The statement that gives the right which the message says is missing. */
function rightFor(settings: ConnectionSettings, message: string, writing: boolean): string {
  const user = role(settings)
  const asSuperuser = (statement: string): string => `As a superuser run: ${statement}`
  const named = (pattern: RegExp): string => quoteIdentifier(pattern.exec(message)?.[1] ?? '...')
  if (/to create database/.test(message)) return asSuperuser(`ALTER ROLE ${user} CREATEDB;`)
  if (/to (?:create|alter|drop) role/.test(message)) return asSuperuser(`ALTER ROLE ${user} CREATEROLE;`)
  if (/to create extension/.test(message)) {
    return `Only a superuser can create that extension: connect as one (user in the url), or let one run: CREATE EXTENSION ${named(/create extension "([^"\n]+)"/)};`
  }
  const member = /(?:must be member of role|must be able to SET ROLE) "([^"\n]+)"/
  if (member.test(message)) return asSuperuser(`GRANT ${named(member)} TO ${user};`)
  const called = /permission denied for function (\w+)/.exec(message)?.[1]
  if (called !== undefined) return asSuperuser(`GRANT EXECUTE ON FUNCTION ${called} TO ${user};`)
  const database = /permission denied for database "?([^"\n]+?)"?(?:\n|$)/
  if (database.test(message)) {
    const right = /CONNECT/.test(message) ? 'CONNECT' : 'CREATE'
    return asSuperuser(`GRANT ${right} ON DATABASE ${named(database)} TO ${user};`)
  }
  const tablespace = /permission denied for tablespace "?([^"\n]+?)"?(?:\n|$)/
  if (tablespace.test(message)) return asSuperuser(`GRANT CREATE ON TABLESPACE ${named(tablespace)} TO ${user};`)
  const large = /permission denied for large object (\d+)/.exec(message)?.[1]
  if (large !== undefined && !writing) return asSuperuser(`GRANT SELECT ON LARGE OBJECT ${large} TO ${user};`)
  const parameter = /permission denied to set parameter "(\w+)"/.exec(message)?.[1]
  if (parameter !== undefined) {
    return asSuperuser(`ALTER ROLE ${user} RESET ${parameter}; (or ALTER DATABASE, where it is set there).`)
  }
  if (/must be superuser/.test(message)) {
    return 'Only a superuser can do this: connect as one (user in the url).'
  }
  if (writing || /must be owner of/.test(message)) {
    return 'Connect as the owner of what is changed (user in the url), or let a superuser make this user a member of the owning role: GRANT owner TO user.'
  }
  if (/permission denied for (?:table|view|materialized view|sequence|schema|relation)/.test(message)) {
    return asSuperuser(
      `GRANT pg_read_all_data TO ${user}; (before PostgreSQL 14: GRANT USAGE on the schema and SELECT).`,
    )
  }
  return 'Let a superuser grant the user what the message names, or connect as a user who has it.'
}
