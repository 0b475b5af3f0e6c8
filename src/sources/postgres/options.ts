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

/** Of the server, whatever is captured of it. */
const connectionKeys = {
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
  database: text.optional().describe('The database to connect to.'),
  sslmode: z.enum(SSL_MODES).optional().describe('As libpq’s; default `prefer`.'),
  binDir: text
    .optional()
    .describe('Folder of PostgreSQL’s programs; default: the fitting version found on this machine.'),
}

const connectionOptions = z.object(connectionKeys)

export type ConnectionOptions = z.infer<typeof connectionOptions>

/** The keys of a `postgres` source in `lifeboat.yaml`. */
export const postgresOptions = z.object({
  ...connectionKeys,
  database: text
    .optional()
    .describe('The database to connect to; the one that is captured unless `databases` says otherwise.'),
  databases: z
    .union([z.literal('all'), z.array(text).min(1)])
    .optional()
    .describe('The databases to capture, a list or `all` (that are not templates). Default: the one of the url.'),
  globals: z
    .boolean()
    .default(true)
    .describe('Capture roles, their grants and tablespaces too. As a superuser this holds password hashes.'),
  schemas: patterns.describe('Only these schemas: `shop`, `app_*`, `"My Shop"`.'),
  excludeSchemas: patterns.describe('Not these schemas.'),
  tables: patterns.describe(
    'Only these tables: `film`, `shop.*`, `"My Shop"."Order"`; patterns as psql’s, an error when one fits none.',
  ),
  excludeTables: patterns.describe('Not these tables.'),
  excludeTableData: patterns.describe('These tables without their rows: `public.session`, `log_*`.'),
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
    .describe('How long to wait for a table that a migration has locked.'),
})

export type PostgresOptions = z.infer<typeof postgresOptions>

/** The keys of a `postgres-cluster` source in `lifeboat.yaml`. */
export const clusterOptions = z.object({
  ...connectionKeys,
  dataDirectory: text.optional().describe('Where this machine sees the data directory, if not where the server does.'),
  copy: z
    .enum(['auto', 'local', 'network'])
    .default('auto')
    .describe(
      '`local` reads the data directory, only what changed; `network` copies all over a replication connection, as pg_basebackup does; `auto` takes the first that works.',
    ),
  slot: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, 'a slot name of lower-case letters, digits and "_"')
    .default('lifeboat')
    .describe('The replication slot of `lifeboat wal receive`.'),
})

export type ClusterOptions = z.infer<typeof clusterOptions>

/**
 * Of what a restore changes: a folder of archives, or one database by its URL, which without a host means a database on
 * the own server; the own password serves where it names the same user of the same server.
 */
export function postgresOptionsAt(place: string, own: PostgresOptions | undefined): PostgresOptions {
  const known = own ?? postgresOptions.parse({})
  if (!isPostgresUrl(place)) return known
  const base = { ...known, databases: undefined }
  const database = databaseInUrl(place)
  if (own !== undefined && (hostInUrl(place) === undefined || isSameServer(place, own))) return { ...base, database }
  return { ...base, url: place, host: undefined, port: undefined, user: undefined, password: undefined, database }
}

function isSameServer(url: string, own: PostgresOptions): boolean {
  if (hasPassword(url)) return false
  const [named, mine] = [resolveConnection({ url }), serverOf(own)]
  return isSameAddress(named, mine) && named.user === mine.user
}

/** One of the captured databases, whoever connects to it. All are meant where the source captures all, or none is named. */
export function isOwnDatabase(place: string, own: PostgresOptions): boolean {
  if (!isPostgresUrl(place)) return false
  const mine = serverOf(own)
  if (hostInUrl(place) !== undefined && !isSameAddress(resolveConnection({ url: place }), mine)) return false
  const name = databaseInUrl(place)
  return name === undefined || own.databases === 'all' || (own.databases ?? [mine.database]).includes(name)
}

/** The data directory, where the options name it. */
export function ownDataDirectory(
  { dataDirectory }: ClusterOptions,
  { baseDir }: { readonly baseDir: string },
): string | undefined {
  return dataDirectory === undefined ? undefined : resolve(baseDir, dataDirectory)
}

export async function isOwnDataDirectory(
  place: string,
  own: ClusterOptions,
  base: { readonly baseDir: string },
): Promise<boolean> {
  const directory = ownDataDirectory(own, base)
  return directory !== undefined && !isPostgresUrl(place) && (await isSamePath(place, directory))
}

type Server = Pick<ConnectionSettings, 'host' | 'port' | 'user' | 'database'>

const serverOf = ({ url, host, port, user, database }: PostgresOptions): Server =>
  resolveConnection({ url, host, port, user, database })

const isSameAddress = (one: Server, other: Server): boolean => one.host === other.host && one.port === other.port
