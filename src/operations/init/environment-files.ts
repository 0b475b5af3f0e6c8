import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseEnvFile } from '../../base/env-file.ts'
import type { NamedDatabase } from '../../sources/source.ts'
import type { OtherFind } from './other-find.ts'

const ENV_FILES = ['.env', '.env.local', '.env.development', '.env.production']
const PRISMA_SCHEMAS = ['prisma/schema.prisma', 'schema.prisma', 'db/schema.prisma']
const URL_VARIABLE =
  /^(?:[A-Z0-9_]+_)?(?:DATABASE|POSTGRES|POSTGRESQL|PG|DB|MYSQL|SQLITE|MONGO|MONGODB|REDIS)_(?:URL|URI)$/

/** By the scheme of their URLs: databases that no kind of source is for. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  mysql: 'a MySQL database',
  mariadb: 'a MariaDB database',
  mongodb: 'a MongoDB database',
  'mongodb+srv': 'a MongoDB database',
  redis: 'a Redis database',
  libsql: 'a libSQL database',
}

export interface NamedDatabases {
  readonly databases: readonly NamedDatabase[]
  /** By variable: the file that sets it, where the environment does not. */
  readonly fileOf: ReadonlyMap<string, string>
}

/** The databases that the environment, `.env` files and a Prisma schema name. */
export async function findNamedDatabases(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<NamedDatabases> {
  const prisma = await readPrisma(folder)
  const databases: NamedDatabase[] = []
  const fileOf = new Map<string, string>()
  // Prisma resolves file: against its schema's folder, others against the application's.
  const relativeTo = [prisma.folder, '.']
  const take = (url: string, where: string, variable?: string): void => {
    const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+]*):(.*)$/is.exec(url.trim()) ?? []
    if (scheme !== '') databases.push({ scheme: scheme.toLowerCase(), rest, variable, where, relativeTo })
  }
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && URL_VARIABLE.test(name)) take(value, `${name} in the environment`, name)
  }
  for (const file of ENV_FILES) {
    for (const [name, value] of parseEnvFile(await readText(join(folder, file)))) {
      if (!URL_VARIABLE.test(name)) continue
      take(value, `${name} in ${file}`, name)
      if (environment[name] === undefined) fileOf.set(name, file)
    }
  }
  if (prisma.url !== undefined) take(prisma.url, prisma.file)
  if (prisma.provider !== undefined) {
    databases.push({ scheme: prisma.provider, rest: undefined, where: prisma.file, relativeTo })
  }
  return { databases, fileOf }
}

/** Those that nothing can be done about, each once: a Prisma schema repeats what a variable says. */
export function unsupportedDatabases(databases: readonly NamedDatabase[]): OtherFind[] {
  const found = new Map<string, OtherFind>()
  for (const { scheme, rest, where } of databases) {
    const what = UNSUPPORTED[scheme]
    if (what === undefined) continue
    const isKnown = [...found.values()].some(each => each.what === what)
    if (rest !== undefined || !isKnown) found.set(`${what} ${where}`, { what, planned: false, where })
  }
  return [...found.values()]
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
