import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { PostgresTools } from '../../src/clients/postgres/index.ts'

const SERVERS = join(import.meta.dirname, '..', 'servers')

/** What `tools/setup` installed there, and with POSTGRES_BINS more, folders of programs separated by ':'. */
function serverFolders(): string[] {
  const modules = join(SERVERS, 'node_modules')
  const packages = existsSync(modules) ? readdirSync(modules).filter(name => name.startsWith('postgres-')) : []
  const more = (process.env['POSTGRES_BINS'] ?? '').split(':').filter(Boolean)
  return [...packages.map(name => unpack(join(modules, name))), ...more]
}

/** A package of npm can't hold symlinks: those that its libraries need are listed. */
function unpack(folder: string): string {
  const list = JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as Array<{
    source: string
    target: string
  }>
  for (const { source, target } of list) {
    const link = join(folder, target)
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(folder, source)), link)
  }
  return join(folder, 'native', 'bin')
}

function inspect(binDir: string): PostgresTools {
  const words = execFileSync(join(binDir, 'postgres'), ['--version'], { encoding: 'utf8' })
  const version = /(\d+)(\.\d+)?/.exec(words)?.[0] ?? ''
  return { binDir, version, major: Number.parseInt(version, 10), hasServer: true }
}

/** Servers of other versions than the system's own; some without any client programs. */
export const otherServers: readonly PostgresTools[] = serverFolders().map(inspect)

if (otherServers.length === 0) {
  const hint = 'no PostgreSQL servers of other versions in test/servers: run "sh tools/setup"'
  if (process.env['CI'] === 'true' && process.platform === 'linux' && process.arch === 'x64') throw new Error(hint)
  console.warn(`skipped: ${hint}`)
}
