import { basename, extname, isAbsolute, join, relative } from 'node:path'
import type { Found, NamedDatabase, Surroundings } from '../discovery.ts'
import { findSqliteFiles } from './find-databases.ts'

/** SQLite databases in a folder, those that URLs of the application name first. */
export async function discoverDatabases({ folder, databases, signal }: Surroundings): Promise<Found> {
  const named = databases.filter(({ scheme }) => /^(file|sqlite)$/.test(scheme)).flatMap(each => pathsOf(each, folder))
  const { found, passedOver } = await findSqliteFiles(folder, [...new Set(named)], signal)
  const sources = found.map(path => ({
    name: found.length === 1 ? 'app' : basename(path, extname(path)),
    why: 'a SQLite database',
    options: { path: `./${path}` },
  }))
  return { sources, passedOver }
}

/** Paths that a URL may mean, relative to the folder. */
function pathsOf({ rest = '', relativeTo }: NamedDatabase, folder: string): string[] {
  const path = rest
    .replace(/^\/\/(?=\/)/, '')
    .replace(/^\/\/(?=\.)/, '')
    .replace(/[?#].*$/s, '')
  if (path === '' || path === ':memory:') return []
  const absolute = isAbsolute(path) ? [path] : relativeTo.map(base => join(folder, base, path))
  return absolute.map(each => relative(folder, each)).filter(each => !each.startsWith('..') && !isAbsolute(each))
}
