import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { parseEnvFile } from '../../base/env-file.ts'
import type { OtherFind } from './other-find.ts'

export interface DatabaseUrls {
  /** Relative paths that `file:` URLs mean; they may not exist. */
  readonly sqlitePaths: readonly string[]
  /** Variables that hold the URL of a PostgreSQL database. */
  readonly postgresVariables: readonly string[]
  /** The files that set those which the environment does not have. */
  readonly envFiles: readonly string[]
  readonly servers: readonly OtherFind[]
}

const ENV_FILES = ['.env', '.env.local', '.env.development', '.env.production']
const PRISMA_SCHEMAS = ['prisma/schema.prisma', 'schema.prisma', 'db/schema.prisma']
const URL_VARIABLE =
  /^(?:[A-Z0-9_]+_)?(?:DATABASE|POSTGRES|POSTGRESQL|PG|DB|MYSQL|SQLITE|MONGO|MONGODB|REDIS)_(?:URL|URI)$/

const POSTGRES = 'a PostgreSQL database'

const SERVERS: Readonly<Record<string, Omit<OtherFind, 'where'>>> = {
  postgres: { what: POSTGRES, planned: false },
  postgresql: { what: POSTGRES, planned: false },
  mysql: { what: 'a MySQL database', planned: false },
  mariadb: { what: 'a MariaDB database', planned: false },
  mongodb: { what: 'a MongoDB database', planned: false },
  'mongodb+srv': { what: 'a MongoDB database', planned: false },
  redis: { what: 'a Redis database', planned: false },
  libsql: { what: 'a libSQL database', planned: false },
}

/** What the environment, `.env` files and a Prisma schema say of databases. Of a URL only its scheme leaves here. */
export async function findDatabaseUrls(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DatabaseUrls> {
  const prisma = await readPrisma(folder)
  const sqlitePaths: string[] = []
  const servers = new Map<string, OtherFind>()
  const postgresVariables: string[] = []
  const envFiles: string[] = []
  const take = (url: string, where: string, variable?: string, file?: string): void => {
    const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+]*):(.*)$/is.exec(url.trim()) ?? []
    // Prisma resolves file: against its schema's folder, others against the application's.
    if (/^(file|sqlite)$/i.test(scheme)) sqlitePaths.push(...pathsOf(rest, [prisma.folder, '.'], folder))
    const server = SERVERS[scheme.toLowerCase()]
    if (server === undefined) return
    if (server.what !== POSTGRES || variable === undefined) servers.set(`${server.what} ${where}`, { ...server, where })
    else {
      postgresVariables.push(variable)
      if (file !== undefined && environment[variable] === undefined) envFiles.push(file)
    }
  }
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && URL_VARIABLE.test(name)) take(value, `${name} in the environment`, name)
  }
  for (const file of ENV_FILES) {
    for (const [name, value] of parseEnvFile(await readText(join(folder, file)))) {
      if (URL_VARIABLE.test(name)) take(value, `${name} in ${file}`, name, file)
    }
  }
  if (prisma.url !== undefined) take(prisma.url, prisma.file)
  const provided = SERVERS[prisma.provider ?? '']
  if (servers.size + postgresVariables.length === 0 && provided !== undefined)
    servers.set(prisma.file, { ...provided, where: prisma.file })
  return {
    sqlitePaths: [...new Set(sqlitePaths)],
    postgresVariables: [...new Set(postgresVariables)],
    envFiles: [...new Set(envFiles)],
    servers: [...servers.values()],
  }
}

function pathsOf(rest: string, bases: readonly string[], folder: string): string[] {
  const path = rest
    .replace(/^\/\/(?=\/)/, '')
    .replace(/^\/\/(?=\.)/, '')
    .replace(/[?#].*$/s, '')
  if (path === '' || path === ':memory:') return []
  const absolute = isAbsolute(path) ? [path] : bases.map(base => join(folder, base, path))
  return absolute.map(each => relative(folder, each)).filter(each => !each.startsWith('..') && !isAbsolute(each))
}

interface PrismaSchema {
  readonly file: string
  readonly folder: string
  readonly provider?: string
  /** Where it stands in the schema itself. */
  readonly url?: string
}

async function readPrisma(folder: string): Promise<PrismaSchema> {
  for (const file of PRISMA_SCHEMAS) {
    const text = await readText(join(folder, file))
    const [, datasource] = /datasource\s+\w+\s*\{([^}]*)\}/.exec(text) ?? []
    if (datasource === undefined) continue
    const provider = /^\s*provider\s*=\s*"([^"]+)"/m.exec(datasource)?.[1]
    const url = /^\s*url\s*=\s*"([^"]+)"/m.exec(datasource)?.[1]
    return {
      file,
      folder: dirname(file),
      ...(provider === undefined ? {} : { provider }),
      ...(url === undefined ? {} : { url }),
    }
  }
  return { file: 'prisma/schema.prisma', folder: 'prisma' }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
