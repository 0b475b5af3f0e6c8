import { resolve } from 'node:path'
import { z } from 'zod'
import { isSamePath } from '../../base/real-path.ts'
// Not from index.ts: that loads the driver, which every command would wait for.
import {
  type ConnectionSettings,
  databaseInUrl,
  hasPassword,
  hostInUrl,
  isPostgresUrl,
  resolveConnection,
  SSL_MODES,
} from '../../clients/postgres/settings.ts'

const text = z.string().min(1, 'a text that is not empty')
const patterns = z.array(text).default([])

/** The keys of a `postgres` source in `lifeboat.yaml`. */
export const postgresOptions = z.object({
  mode: z
    .enum(['logical', 'physical'])
    .default('logical')
    .describe(
      '`logical`: databases, by pg_dump. `physical`: the whole cluster as files, with WAL to recover to any moment.',
    ),
  url: text
    .optional()
    .describe(
      '`postgres://user:password@host:5432/database?sslmode=require`; from the environment as `${DATABASE_URL}`.',
    ),
  host: text
    .optional()
    .describe('Host name, address, or the folder of the server’s socket. Wins over `url`, as all below.'),
  port: z.int('a port').min(1).max(65_535).optional().describe('Port; default 5432.'),
  user: text.optional().describe('Role to connect as.'),
  password: text.optional().describe('Its password in clear; `passwordEnv` and `passwordFile` are better.'),
  passwordEnv: text.optional().describe('The environment variable that holds the password.'),
  passwordFile: text
    .optional()
    .describe('A file whose content is the password. Relative to the folder of `lifeboat.yaml`.'),
  database: text
    .optional()
    .describe('The database to connect to; the one that is captured unless `databases` says otherwise.'),
  sslmode: z.enum(SSL_MODES).optional().describe('As libpq’s; default `prefer`.'),
  binDir: text
    .optional()
    .describe('Folder of PostgreSQL’s programs; default: the fitting version found on this machine.'),
  databases: z
    .union([z.literal('all'), z.array(text).min(1)])
    .optional()
    .describe(
      'Logical: the databases to capture, a list or `all` (that are not templates). Default: the one of the url.',
    ),
  globals: z
    .boolean()
    .default(true)
    .describe('Logical: capture roles, their grants and tablespaces too. As a superuser this holds password hashes.'),
  schemas: patterns.describe('Logical: only these schemas: `shop`, `app_*`, `"My Shop"`.'),
  excludeSchemas: patterns.describe('Logical: not these schemas.'),
  tables: patterns.describe(
    'Logical: only these tables: `film`, `shop.*`, `"My Shop"."Order"`; patterns as psql’s, an error when one fits none.',
  ),
  excludeTables: patterns.describe('Logical: not these tables.'),
  excludeTableData: patterns.describe('Logical: these tables without their rows: `public.session`, `log_*`.'),
  jobs: z
    .int('a whole number')
    .min(1)
    .max(64)
    .default(1)
    .describe(
      'Connections that read at once: tables of 32 MiB and more get an archive of their own. Also of a restore.',
    ),
  lockTimeoutSeconds: z
    .int('seconds')
    .min(1)
    .default(60)
    .describe('Logical: how long to wait for a table that a migration has locked.'),
  dataDirectory: text
    .optional()
    .describe('Physical: where this machine sees the data directory, if not where the server does.'),
  copy: z
    .enum(['auto', 'local', 'network'])
    .default('auto')
    .describe(
      'Physical: `local` reads the data directory, only what changed; `network` copies all over a replication connection, as pg_basebackup does; `auto` takes the first that works.',
    ),
  slot: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, 'a slot name of lower-case letters, digits and "_"')
    .default('lifeboat')
    .describe('Physical: the replication slot of `lifeboat wal receive`.'),
})

export type PostgresOptions = z.infer<typeof postgresOptions>

/**
 * Of one database or data directory that a restore changes. `place` is a directory, or a URL, which without a host
 * means a database on the own server; the own password serves where it names the same user of the same server.
 */
export function postgresOptionsAt(place: string, own: PostgresOptions | undefined): PostgresOptions {
  if (!isPostgresUrl(place)) return own ?? postgresOptions.parse({ mode: 'physical' })
  const base = { ...(own ?? postgresOptions.parse({})), mode: 'logical' as const, databases: undefined }
  const database = databaseInUrl(place)
  if (own !== undefined && (hostInUrl(place) === undefined || isSameServer(place, own))) return { ...base, database }
  return { ...base, url: place, host: undefined, port: undefined, user: undefined, password: undefined, database }
}

function isSameServer(url: string, own: PostgresOptions): boolean {
  if (hasPassword(url)) return false
  const [named, mine] = [resolveConnection({ url }), serverOf(own)]
  return isSameAddress(named, mine) && named.user === mine.user
}

/** The server of the url; of a cluster, its data directory, where the options name it. */
export function ownPostgresPlace(
  { mode, dataDirectory }: PostgresOptions,
  { baseDir }: { readonly baseDir: string },
): string | undefined {
  if (mode === 'logical') return 'postgres:///'
  return dataDirectory === undefined ? undefined : resolve(baseDir, dataDirectory)
}

/**
 * The data directory of a cluster, or one of the captured databases, whoever connects to it. All of a server's are meant
 * where the source captures all, or where none is named.
 */
export async function isOwnPostgresPlace(
  place: string,
  own: PostgresOptions,
  { baseDir }: { readonly baseDir: string },
): Promise<boolean> {
  if (!isPostgresUrl(place)) {
    const { mode, dataDirectory } = own
    if (mode !== 'physical' || dataDirectory === undefined) return false
    return await isSamePath(place, resolve(baseDir, dataDirectory))
  }
  if (own.mode === 'physical') return false
  const mine = serverOf(own)
  if (hostInUrl(place) !== undefined && !isSameAddress(resolveConnection({ url: place }), mine)) return false
  const name = databaseInUrl(place)
  return name === undefined || own.databases === 'all' || (own.databases ?? [mine.database]).includes(name)
}

type Server = Pick<ConnectionSettings, 'host' | 'port' | 'user' | 'database'>

const serverOf = ({ url, host, port, user, database }: PostgresOptions): Server =>
  resolveConnection({ url, host, port, user, database })

const isSameAddress = (one: Server, other: Server): boolean => one.host === other.host && one.port === other.port
