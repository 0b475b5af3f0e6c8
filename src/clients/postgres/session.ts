import { readFile } from 'node:fs/promises'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import pg from 'pg'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { postgresError } from './errors.ts'
import { findInPassFile } from './pass-file.ts'
import type { ConnectionSettings, SslMode } from './settings.ts'

/** One connection. Rows come as objects; numbers wider than 32 bits as text. */
export interface Session {
  readonly settings: ConnectionSettings
  readonly database: string
  /** `server_version_num`: 150018 for 15.18. */
  readonly versionNumber: number
  /** As people write it: `15.18`. */
  readonly version: string
  /** Runs one statement. Throws an `AppError` made by `postgresError`. */
  query<Row extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** The driver's own client, for COPY streams. */
  readonly client: pg.Client
  /** What broke the connection while nobody was waiting for it. */
  readonly broken: Error | undefined
  close(): Promise<void>
}

export interface SessionRequest {
  /** Another database than the settings name. */
  readonly database?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly applicationName?: string | undefined
}

/**
 * What `ALTER ROLE` and `ALTER DATABASE` set for the application is not meant for us: no time limit may cut a backup
 * short, no read-only default refuse a restore, and no other way to write values make two sides differ that are alike.
 */
const SESSION_SETTINGS = [
  'SET statement_timeout = 0',
  'SET lock_timeout = 0',
  'SET idle_in_transaction_session_timeout = 0',
  // Of what is in no encoding, nothing is UTF-8 for sure: the server would refuse to show it.
  `SELECT set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, false)`,
  'SET default_transaction_read_only = off',
  "SET default_transaction_isolation = 'read committed'",
  'SET default_transaction_deferrable = off',
  "SET DateStyle = 'ISO'",
  "SET IntervalStyle = 'postgres'",
  "SET bytea_output = 'hex'",
  'SET extra_float_digits = 1',
  'SET standard_conforming_strings = on',
  'SET quote_all_identifiers = off',
  'SET row_security = on',
  'SET search_path = pg_catalog',
].join('; ')

/** Connects. Throws `source-unreachable` and its kin with a hint. The caller closes the session. */
export async function openSession(settings: ConnectionSettings, request: SessionRequest = {}): Promise<Session> {
  throwIfAborted(request.signal)
  const database = request.database ?? settings.database
  const client = await connectClient(settings, database, request)
  const session = new PgSession(settings, database, client)
  const abort = (): void => void client.end().catch(() => {})
  request.signal?.addEventListener('abort', abort, { once: true })
  client.once('end', () => request.signal?.removeEventListener('abort', abort))
  try {
    await session.prepare(request.signal)
  } catch (error) {
    await session.close()
    throw error
  }
  return session
}

/** Opens a session for as long as `work` takes. */
export async function withSession<T>(
  settings: ConnectionSettings,
  request: SessionRequest,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(settings, request)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

class PgSession implements Session {
  readonly settings: ConnectionSettings
  readonly database: string
  readonly client: pg.Client
  versionNumber = 0
  version = ''
  broken: Error | undefined
  #signal: AbortSignal | undefined

  constructor(settings: ConnectionSettings, database: string, client: pg.Client) {
    this.settings = settings
    this.database = database
    this.client = client
    client.on('error', error => {
      this.broken ??= error
    })
  }

  async prepare(signal: AbortSignal | undefined): Promise<void> {
    this.#signal = signal
    await this.query(SESSION_SETTINGS)
    const [row] = await this.query<{ number: string; version: string }>(
      `SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version`,
    )
    this.versionNumber = Number(row?.number ?? 0)
    this.version = /^\S+/.exec(row?.version ?? '')?.[0] ?? ''
    if (this.versionNumber >= 140_000) await this.query('SET idle_session_timeout = 0')
    await this.#requireKind(this.settings.targetSessionAttrs ?? 'any')
  }

  /** libpq goes on to the next host when this one is not of the wanted kind; of one host there is no next. */
  async #requireKind(wanted: string): Promise<void> {
    if (wanted === 'any' || wanted === 'prefer-standby') return
    const [row] = await this.query<{ standby: boolean; readonly: boolean }>(
      `SELECT pg_is_in_recovery() AS standby,        (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only') AS readonly`,
    )
    const isStandby = row?.standby ?? false
    const isReadOnly = isStandby || row?.readonly === true
    const fits = { primary: !isStandby, standby: isStandby, 'read-only': isReadOnly, 'read-write': !isReadOnly }[wanted]
    if (fits === true) return
    const is = isStandby ? 'a standby' : isReadOnly ? 'read-only by default' : 'a primary that can be written'
    throw new AppError('source-invalid', `the server is ${is}, but target_session_attrs asks for ${wanted}`, {
      hint: 'Name the server that is meant, or take target_session_attrs out of the url (PGTARGETSESSIONATTRS).',
    })
  }

  async query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    try {
      const result = await this.client.query<Row>(sql, values === undefined ? undefined : [...values])
      return result.rows
    } catch (error) {
      throwIfAborted(this.#signal)
      throw postgresError(error, this.settings, `query ${this.database}`, this.database)
    }
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => {})
  }
}

/** A network that is gone without a word is noticed about a minute after the last one. */
const KEEP_ALIVE_AFTER_MS = 30_000

/** The driver's bare connection. Throws as `openSession` does. The caller ends it. */
export async function connectClient(
  settings: ConnectionSettings,
  database: string,
  request: SessionRequest & { readonly replication?: boolean },
): Promise<pg.Client> {
  let failure: unknown
  for (const ssl of await tlsAttempts(settings)) {
    const client = new pg.Client({
      host: settings.host,
      port: settings.port,
      user: settings.user,
      database,
      password: settings.password?.reveal() ?? (() => passwordFor(settings, request, database)),
      ssl,
      enableChannelBinding: settings.channelBinding === 'require',
      connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
      application_name: request.applicationName ?? 'lifeboat',
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      ...(request.replication === true ? { replication: 'true' } : {}),
      // The driver would take PGOPTIONS else, which is not meant for every server that we talk to.
      ...(settings.options === undefined && process.env['PGOPTIONS'] === undefined
        ? {}
        : { options: settings.options ?? ' ' }),
    })
    // A connection that breaks later says so by an event; without a listener it would end the process.
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      failure = error
      await client.end().catch(() => {})
      if (!worthAnotherTry(error)) break
    }
  }
  throwIfAborted(request.signal)
  throw postgresError(failure, settings, 'connect', database)
}

/** The driver wants a text; without a password it says so itself. */
async function passwordFor(
  settings: ConnectionSettings,
  { replication }: { readonly replication?: boolean },
  database: string,
): Promise<string> {
  return (await findInPassFile(settings, replication === true ? 'replication' : database)) ?? ''
}

/** What to try, in order: libpq's `prefer` and `allow` fall back, the others do not. Sockets are never encrypted. */
async function tlsAttempts(settings: ConnectionSettings): Promise<Array<TlsOptions | false>> {
  if (settings.host.startsWith('/') || settings.sslMode === 'disable') return [false]
  const unchecked: TlsOptions = { rejectUnauthorized: false, ...(await certificates(settings)) }
  const chain = { ...unchecked, ...chainOnly }
  const attempts: Readonly<Record<Exclude<SslMode, 'disable'>, Array<TlsOptions | false>>> = {
    allow: [false, unchecked],
    prefer: [unchecked, false],
    // As libpq: with a root certificate at hand, `require` checks the chain.
    require: [settings.sslRootCert === undefined ? unchecked : chain],
    'verify-ca': [chain],
    'verify-full': [{ ...unchecked, rejectUnauthorized: true }],
  }
  return attempts[settings.sslMode]
}

const chainOnly: TlsOptions = { rejectUnauthorized: true, checkServerIdentity: () => undefined }

async function certificates(settings: ConnectionSettings): Promise<TlsOptions> {
  const load = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path)
    } catch (error) {
      throw postgresError(new Error(`cannot read certificate ${path}`, { cause: error }), settings, 'connect')
    }
  }
  const { sslRootCert, sslCert, sslKey } = settings
  return {
    ...(sslRootCert === undefined || sslRootCert === 'system' ? {} : { ca: await load(sslRootCert) }),
    ...(sslCert === undefined ? {} : { cert: await load(sslCert) }),
    ...(sslKey === undefined ? {} : { key: await load(sslKey) }),
  }
}

/** Only a refusal of the kind of connection; a wrong password is wrong either way. */
function worthAnotherTry(error: unknown): boolean {
  return error instanceof Error && /does not support SSL|no pg_hba.conf entry|SSL/i.test(error.message)
}
