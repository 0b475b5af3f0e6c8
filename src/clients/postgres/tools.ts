import { access, constants, readdir, realpath } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { Child, type ChildExit } from '../../base/child.ts'
import { AppError } from '../../base/errors.ts'
import { toolEnvironment } from '../../base/plain-environment.ts'
import { findTool, runTool as runProgram } from '../../base/process.ts'
import { toolError } from './errors.ts'
import type { ConnectionSettings } from './settings.ts'

/** One installation of PostgreSQL's programs. */
export interface PostgresTools {
  readonly binDir: string
  /** 15 of 15.18. */
  readonly major: number
  readonly version: string
  /** The server's own programs (`initdb`, `postgres`) are there too, not the clients' alone. */
  readonly hasServer: boolean
}

/** Where systems put versions side by side; `*` is the version. */
const VERSIONED_DIRS = [
  ['/usr/lib/postgresql', 'bin'],
  ['/usr/pgsql-', 'bin'],
  ['/usr/local/pgsql', 'bin'],
  ['/opt/homebrew/opt/postgresql@', 'bin'],
  ['/usr/local/opt/postgresql@', 'bin'],
  ['/Applications/Postgres.app/Contents/Versions', 'bin'],
] as const

/** Every installation found, newest first: `binDir` if given and nothing else, or the system's folders and PATH. */
export async function listPostgresTools(
  binDir?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<PostgresTools[]> {
  const dirs = binDir === undefined ? await candidateDirs(environment) : [binDir]
  const found = await Promise.all(dirs.map(inspectDir))
  return found.filter(tools => tools !== undefined).toSorted((a, b) => compareVersions(b.version, a.version))
}

/**
 * The installation to use with a server: its own major version where there is one, else the newest. Throws
 * `tool-missing` when there is none, or all are older than the server: an old pg_dump can't read a new server.
 */
export async function findPostgresTools(
  server: { versionNumber: number; version: string },
  binDir?: string,
): Promise<PostgresTools> {
  const all = await listPostgresTools(binDir)
  const major = Math.floor(server.versionNumber / 10_000)
  const fit = all.find(tools => tools.major === major) ?? all.find(tools => tools.major > major)
  if (fit) return fit
  const newest = all[0]
  const install = `Install them: apt-get install postgresql-client-${major} (or set binDir to their folder).`
  if (newest === undefined) {
    const where = binDir === undefined ? 'on this machine' : `in ${binDir}`
    throw new AppError('tool-missing', `pg_dump and the other PostgreSQL programs are not installed ${where}`, {
      hint: install,
    })
  }
  throw new AppError(
    'tool-missing',
    `pg_dump ${newest.version} in ${newest.binDir} is older than the server (${server.version})`,
    { hint: `${install} An older program cannot read a newer server.`, context: { binDir: newest.binDir } },
  )
}

/** An installation that can run a server of this major version, or undefined. */
export async function findServerTools(major: number, binDir?: string): Promise<PostgresTools | undefined> {
  const all = await listPostgresTools(binDir)
  return all.find(tools => tools.hasServer && tools.major === major)
}

async function candidateDirs(environment: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  const dirs: string[] = []
  for (const [parent, bin] of VERSIONED_DIRS) dirs.push(...(await versionedDirs(parent, bin)))
  dirs.push(...(environment['PATH'] ?? '').split(delimiter).filter(dir => dir.startsWith('/')))
  return [...new Set(dirs)]
}

/** `/usr/lib/postgresql` -> `/usr/lib/postgresql/15/bin`; `/usr/pgsql-` -> `/usr/pgsql-16/bin`. */
async function versionedDirs(parent: string, bin: string): Promise<string[]> {
  const slash = parent.lastIndexOf('/')
  const prefixed = /[-@]$/.test(parent)
  const folder = prefixed ? parent.slice(0, slash) : parent
  const prefix = prefixed ? parent.slice(slash + 1) : ''
  const names = await readdir(folder).catch(() => [])
  return names
    .filter(name => name.startsWith(prefix) && /^\d+(\.\d+)?$/.test(name.slice(prefix.length)))
    .map(name => join(folder, name, bin))
}

async function inspectDir(binDir: string): Promise<PostgresTools | undefined> {
  const path = join(binDir, 'pg_dump')
  if (!(await isExecutable(path))) return undefined
  // Debian's /usr/bin/pg_dump is a wrapper that picks a version by its own rules; the real ones are found beside it.
  if ((await realpath(path)).endsWith('pg_wrapper')) return undefined
  const version = await versionOf(path)
  if (version === undefined) return undefined
  const hasServer = (await isExecutable(join(binDir, 'initdb'))) && (await isExecutable(join(binDir, 'postgres')))
  return { binDir, major: Number.parseInt(version, 10), version, hasServer }
}

/** `pg_dump (PostgreSQL) 15.18 (Debian ...)`, `18beta1` too. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    const child = await Child.start(path, ['--version'], { env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' } })
    const text = await child.readText()
    await child.wait()
    return /\(PostgreSQL\) (\d+(?:\.\d+)?)/.exec(text)?.[1]
  } catch {
    return undefined
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}

export interface ToolRequest {
  /** `pg_dump`. */
  readonly tool: string
  readonly args: readonly string[]
  /** Who to connect as; undefined for a tool that connects to nothing. */
  readonly settings: ConnectionSettings | undefined
  /** Another database than the settings name. */
  readonly database?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly stdin?: 'pipe' | 'ignore' | undefined
  readonly cwd?: string | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly onStderrLine?: ((line: string) => void) | undefined
  /** For one that runs for ever: the system ends it when we are killed, where it can (Linux, by util-linux). */
  readonly endsWithUs?: boolean | undefined
  /** A server that recovers runs `lifeboat wal fetch`, which reads the configuration and opens the repository. */
  readonly runsOurCommands?: boolean | undefined
}

/** Starts one of PostgreSQL's programs. Whom to connect to goes through the environment: arguments are seen by all. */
export async function startTool(tools: PostgresTools, request: ToolRequest): Promise<Child> {
  const { signal, stdin, cwd, uid, gid, onStderrLine } = request
  const settings = request.settings && WRITERS.has(request.tool) ? writable(request.settings) : request.settings
  const ours = request.runsOurCommands === true ? ownEnvironment() : toolEnvironment()
  const env = settings === undefined ? { ...ours, ...FOR_POSTGRES } : connectionEnvironment(settings, request.database)
  const path = join(tools.binDir, request.tool)
  const bound = request.endsWithUs === true ? await boundToUs() : undefined
  const [program, args] =
    bound === undefined ? [path, request.args] : [bound, ['--pdeathsig', 'TERM', '--', path, ...request.args]]
  return await Child.start(program, args, {
    env,
    signal,
    stdin,
    cwd,
    uid,
    gid,
    onStderrLine,
  })
}

/** What a role or a database has by default for its application must not refuse a restore. */
const WRITERS: ReadonlySet<string> = new Set(['pg_restore', 'psql'])
const writable = (settings: ConnectionSettings): ConnectionSettings => ({
  ...settings,
  options: [settings.options, '-c default_transaction_read_only=off'].filter(Boolean).join(' '),
})

/** util-linux's setpriv becomes the program itself; BusyBox's does not know how. */
async function boundToUs(): Promise<string | undefined> {
  const setpriv = await findTool('setpriv')
  if (setpriv === undefined) return undefined
  const { stdout } = await runProgram(setpriv, ['--help'])
  return stdout.toString().includes('--pdeathsig') ? setpriv : undefined
}

/** Runs one to its end; its stdout. Throws what `toolError` makes of a failure. `doing` completes "cannot ...". */
export async function runTool(tools: PostgresTools, request: ToolRequest, doing: string): Promise<string> {
  const child = await startTool(tools, request)
  try {
    const text = await child.readText()
    requireSuccess(child, await child.wait(), request, doing)
    return text
  } finally {
    await child.stop()
  }
}

/** Throws unless the tool ended well: the end of its output alone proves nothing. */
export function requireSuccess(
  child: Child,
  exit: ChildExit,
  request: { readonly settings: ConnectionSettings | undefined; readonly tool: string },
  doing: string,
): void {
  if (exit.code === 0) return
  if (request.settings) throw toolError(request.tool, child.stderr, exit, request.settings, doing)
  const said =
    child.stderr
      .trim()
      .split('\n')
      .find(line => /error|fatal/i.test(line)) ?? child.stderr.trim()
  throw new AppError('tool-failed', `cannot ${doing}: ${said === '' ? `${request.tool} failed` : said.trim()}`, {
    context: { said: child.stderr.slice(-4000), code: exit.code ?? exit.killedBy ?? 'unknown' },
  })
}

/** Nothing in it steers libpq elsewhere, or tells it a password. Messages are parsed; times are compared. */
const FOR_POSTGRES = { LC_ALL: 'C', TZ: 'UTC' }

/** All of ours, for a server whose own commands are ours again, and need our passwords. */
function ownEnvironment(): Record<string, string> {
  const all = Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return Object.fromEntries(all.filter(([name]) => !name.startsWith('PG')))
}

/** @see https://www.postgresql.org/docs/current/libpq-envars.html */
export function connectionEnvironment(
  settings: ConnectionSettings,
  database = settings.database,
): Record<string, string> {
  const optional = {
    PGPASSWORD: settings.password?.reveal(),
    PGSSLROOTCERT: settings.sslRootCert,
    PGSSLCERT: settings.sslCert,
    PGSSLKEY: settings.sslKey,
    PGOPTIONS: settings.options,
    PGPASSFILE: settings.password === undefined ? settings.passFile : undefined,
    PGCHANNELBINDING: settings.channelBinding,
    PGTARGETSESSIONATTRS: settings.targetSessionAttrs,
  }
  return {
    ...toolEnvironment(),
    ...FOR_POSTGRES,
    ...Object.fromEntries(Object.entries(optional).filter((pair): pair is [string, string] => pair[1] !== undefined)),
    PGHOST: settings.host,
    PGPORT: String(settings.port),
    PGUSER: settings.user,
    PGDATABASE: database,
    PGSSLMODE: settings.sslMode,
    PGCONNECT_TIMEOUT: String(settings.connectTimeoutSeconds),
    PGAPPNAME: 'lifeboat',
  }
}
