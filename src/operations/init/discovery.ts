import { readdir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { throwIfAborted } from '../../base/errors.ts'
import { findComposeServices, findWranglerBindings } from './deployment-files.ts'
import { findDatabaseUrls } from './environment-files.ts'
import type { OtherFind } from './other-find.ts'
import { findSqliteFiles } from './sqlite-files.ts'

/** A source for the configuration. */
export interface ProposedSource {
  readonly name: string
  readonly kind: 'sqlite' | 'files' | 'postgres'
  /** Relative to the folder, with `./` in front; of a server, the variable that holds its URL: `${DATABASE_URL}`. */
  readonly path: string
  readonly why: string
}

export interface Discovery {
  readonly sources: readonly ProposedSource[]
  readonly others: readonly OtherFind[]
  /** Files with the variables that the sources use, relative to the folder. */
  readonly envFiles: readonly string[]
  /** Folders that were not looked into, relative to the folder. */
  readonly passedOver: readonly string[]
}

/** Places where applications commonly put what their users upload. */
const UPLOADS = [
  'uploads',
  'public/uploads',
  'static/uploads',
  'data/uploads',
  'storage/app',
  'storage/uploads',
  'media',
  'public/media',
  'attachments',
  'files',
]

/** Looks through a folder for what an application of the usual kinds keeps. Values of variables never leave here. */
export async function discover(
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Discovery> {
  const urls = await findDatabaseUrls(folder, environment)
  throwIfAborted(signal)
  const { found: databases, passedOver } = await findSqliteFiles(folder, urls.sqlitePaths, signal)
  const uploads = await findUploads(folder)
  const others = [...urls.servers, ...(await findWranglerBindings(folder)), ...(await findComposeServices(folder))]
  const taken = new Set<string>()
  const sources = [
    ...databases.map(path => ({ kind: 'sqlite' as const, path, base: databases.length === 1 ? 'app' : stem(path) })),
    ...uploads.map(path => ({
      kind: 'files' as const,
      path,
      base: basename(path) === 'app' ? 'storage' : basename(path),
    })),
    ...urls.postgresVariables.map(variable => ({ kind: 'postgres' as const, path: variable, base: 'db' })),
  ].map(({ kind, path, base }): ProposedSource => {
    const place = kind === 'postgres' ? `\${${path}}` : `./${path}`
    return { name: freeName(base, taken), kind, path: place, why: WHY[kind] }
  })
  return { sources, others, envFiles: urls.envFiles, passedOver }
}

const WHY: Readonly<Record<ProposedSource['kind'], string>> = {
  sqlite: 'a SQLite database',
  files: 'a folder of uploads',
  postgres: 'a PostgreSQL database',
}

const stem = (path: string): string => basename(path, extname(path))

function freeName(wanted: string, taken: Set<string>): string {
  const clean =
    wanted
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 40) || 'data'
  let name = clean
  for (let count = 2; taken.has(name); count++) name = `${clean}-${count}`
  taken.add(name)
  return name
}

async function findUploads(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const path of UPLOADS) {
    if (found.some(parent => path.startsWith(`${parent}/`))) continue
    if (await hasEntries(join(folder, path))) found.push(path)
  }
  return found
}

async function hasEntries(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).some(name => name !== '.gitkeep' && name !== '.gitignore')
  } catch {
    return false
  }
}
