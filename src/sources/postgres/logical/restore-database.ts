import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachLimit } from '../../../base/concurrency.ts'
import { AppError } from '../../../base/errors.ts'
import { systemRandom } from '../../../base/random.ts'
import {
  type ConnectionSettings,
  describeConnection,
  type PostgresTools,
  quoteIdentifier,
  runTool,
  type Session,
  withSession,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { BackupType, ManifestServerDatabase } from '../../../model/manifest.ts'
import type { CheckOutcome, RestoreRequest } from '../../source.ts'
import { type Archives, runOverArchive } from './archives.ts'
import { stagingName } from './database-names.ts'
import {
  applyStatements,
  type DatabaseStatements,
  databaseLines,
  parseDatabaseStatements,
} from './database-settings.ts'
import { readSchemaText } from './logical-capture.ts'
import { fileName, GLOBALS_FILE } from './plan.ts'
import { checkRows } from './restore-checks.ts'
import { createRoles, missingRoles, rolesFinding, ungrantableOwners } from './roles.ts'
import { encodingArguments, rolesIn, schemaFingerprint } from './sql-text.ts'
import { databaseExists, StagingDatabase } from './staging-database.ts'

/** One database of a snapshot on its way back. */
export interface DatabaseRestore {
  readonly request: RestoreRequest
  readonly archives: Archives
  readonly type: BackupType
  /** As it was. */
  readonly database: ManifestServerDatabase
  /** What it shall be called. */
  readonly target: string
  readonly settings: ConnectionSettings
  readonly admin: Session
  readonly tools: PostgresTools
  readonly jobs: number
  /** Only a part of the database was captured. */
  readonly partial: boolean
}

export interface DatabaseOutcome {
  readonly checks: CheckOutcome[]
  readonly findings: Finding[]
}

/**
 * Restores into a new database, checks it there, and then gives it the target's name. What had that name is kept under
 * another one. Until that instant nothing that anybody uses has changed.
 */
export async function restoreDatabase(restore: DatabaseRestore): Promise<DatabaseOutcome> {
  const { admin, target, request, database } = restore
  const replaces = await databaseExists(admin, target)
  if (replaces && !request.force) throw targetExists(restore)
  await requireExtensions(restore)
  const findings: Finding[] = []
  const roles = await prepareRoles(restore, findings)
  const owner = roles.ownersLeftOut ? undefined : database.owner
  const name = stagingName(target, systemRandom.bytes(4))
  const statements = await readStatements(restore, name)
  const options = { owner, create: statements.createOptions }
  const staging = await StagingDatabase.create(admin, target, name, database, options)
  try {
    if (staging.otherCollation) findings.push(collationFinding(restore))
    await loadArchives(restore, staging.name, roles.arguments)
    const own = roles.ownersLeftOut ? statements.settings : [...statements.settings, ...statements.grants]
    findings.push(...(await applyStatements(admin, own, target)))
    const checks = request.checks ? await check(restore, staging.name, findings) : []
    if (checks.every(each => each.passed)) {
      const kept = await staging.takePlaceOf(target, request.clock.now())
      if (kept !== undefined) findings.push(keptFinding(restore, kept))
    } else await staging.drop()
    return { checks, findings }
  } catch (error) {
    await staging.drop().catch(() => {})
    throw error
  }
}

/** What the archive says of the database itself. Only its table of contents is read. */
async function readStatements(restore: DatabaseRestore, name: string): Promise<DatabaseStatements> {
  const { request, archives, database, tools } = restore
  const [main = ''] = database.archives
  const run = async (args: readonly string[]): Promise<string> => {
    let text = ''
    const tool = { args: ['--create', ...args], settings: undefined, signal: request.signal }
    await runOverArchive(tools, tool, archives.read(main), `read ${main}`, async child => {
      text = await child.readText()
    })
    return text
  }
  const list = join(request.scratchDir, `database-${fileName(restore.target)}`)
  await writeFile(list, `${databaseLines(await run(['--list'])).join('\n')}\n`, { mode: 0o600 })
  return parseDatabaseStatements(await run([`--use-list=${list}`, '--file=-']), name, restore.admin.versionNumber)
}

/** Archives into a database that is there: all sections, in the order that lets indexes and keys come last. */
async function loadArchives(restore: DatabaseRestore, into: string, more: readonly string[]): Promise<void> {
  const { archives, jobs, request } = restore
  const [main = '', ...parts] = restore.database.archives
  const run = { ...restore, into, more }
  if (jobs === 1) {
    if (parts.length === 0) return await streamArchive(run, main, [])
    await streamArchive(run, main, ['--section=pre-data', '--section=data'])
    for (const part of parts) await streamArchive(run, part, ['--data-only'])
    return await streamArchive(run, main, ['--section=post-data'])
  }
  const dir = join(request.scratchDir, `restore-${fileName(restore.target)}`)
  try {
    const [mainFile = '', ...partFiles] = await archives.spool([main, ...parts], dir)
    if (parts.length === 0) return await loadFile(run, mainFile, [`--jobs=${jobs}`])
    await loadFile(run, mainFile, ['--section=pre-data', '--section=data', `--jobs=${jobs}`])
    await forEachLimit(partFiles, jobs, file => loadFile(run, file, ['--data-only']))
    await loadFile(run, mainFile, ['--section=post-data', `--jobs=${jobs}`])
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

interface LoadRun extends DatabaseRestore {
  readonly into: string
  readonly more: readonly string[]
}

async function streamArchive(run: LoadRun, path: string, args: readonly string[]): Promise<void> {
  await runOverArchive(run.tools, loadRequest(run, args), run.archives.read(path), `restore ${run.target}`)
}

async function loadFile(run: LoadRun, file: string, args: readonly string[]): Promise<void> {
  const request = loadRequest(run, [...args, file])
  await runTool(run.tools, { ...request, tool: 'pg_restore' }, `restore ${run.target}`)
}

function loadRequest(run: LoadRun, args: readonly string[]) {
  const { settings, into, request, more } = run
  // Nobody reads the database before the renaming commits, which makes durable all that was written before it.
  const options = [settings.options, '-c synchronous_commit=off -c maintenance_work_mem=256MB']
    .filter(Boolean)
    .join(' ')
  return {
    args: ['--exit-on-error', '--no-password', '--dbname', into, ...more, ...args],
    settings: { ...settings, database: into, options },
    database: into,
    signal: request.signal,
  }
}

async function check(restore: DatabaseRestore, staging: string, findings: Finding[]): Promise<CheckOutcome[]> {
  const { settings, database, type, tools, request } = restore
  const { signal } = request
  const text = await readSchemaText(
    tools,
    { ...settings, database: staging },
    signal,
    encodingArguments(database.encoding),
  )
  const capturedBy = String(request.snapshot.manifest?.database?.properties['pgDumpVersion'] ?? '')
  // Other versions may write the same schema in other words.
  const comparable = capturedBy === tools.version && !restore.partial
  if (comparable && schemaFingerprint(text) !== database.schemaFingerprint) {
    findings.push({
      severity: 'warning',
      code: 'schema-differs',
      subject: `database ${restore.target}`,
      message: 'its schema reads differently from the one that was captured',
      hint: `Compare ${fileName(database.name)}.schema.sql of the snapshot with "pg_dump --schema-only".`,
    })
  }
  if (type === 'schema') return []
  return [await withSession(settings, { database: staging, signal }, session => checkRows(session, database))]
}

export async function prepareRoles(
  restore: DatabaseRestore,
  findings: Finding[],
): Promise<{ arguments: string[]; ownersLeftOut: boolean }> {
  const { admin, archives, database, request, target } = restore
  const schema = await archives.readText(`${fileName(database.name)}.schema.sql`)
  const needed = [...new Set([...rolesIn(schema), database.owner])]
  let missing = await missingRoles(admin, needed)
  const globals = await archives.readText(GLOBALS_FILE)
  if (missing.length > 0 && request.selection?.roles === true) missing = await createRoles(admin, globals, missing)
  const beyond = [...new Set([...missing, ...(await ungrantableOwners(admin, needed))])]
  if (beyond.length === 0) return { arguments: [], ownersLeftOut: false }
  findings.push(rolesFinding(`database ${target}`, beyond, globals !== ''))
  return { arguments: ['--no-owner', '--no-privileges'], ownersLeftOut: true }
}

export async function requireExtensions(restore: DatabaseRestore): Promise<void> {
  const wanted = restore.database.extensions.map(extension => extension.name)
  if (wanted.length === 0) return
  const rows = await restore.admin.query<{ name: string }>('SELECT name FROM pg_available_extensions')
  const there = new Set(rows.map(row => row.name))
  const missing = wanted.filter(name => !there.has(name))
  if (missing.length === 0) return
  const major = Math.floor(restore.admin.versionNumber / 10_000)
  throw new AppError(
    'target-invalid',
    `the server lacks the extension ${missing.join(', ')} of database ${restore.database.name}`,
    {
      hint: `Install it on the server: ${missing.map(name => packageOf(name, major)).join('; ')}.`,
      context: { missing },
    },
  )
}

function packageOf(extension: string, major: number): string {
  const names: Record<string, string> = {
    vector: 'pgvector',
    postgis: 'postgis-3',
    pg_cron: 'cron',
    pg_repack: 'repack',
  }
  return `apt-get install postgresql-${major}-${names[extension] ?? extension}`
}

function targetExists(restore: DatabaseRestore): AppError {
  const place = describeConnection(restore.settings, restore.target)
  return new AppError('target-exists', `database ${restore.target} is there already at ${place}`, {
    hint: 'Name a new database in the url, or say --force: the old one is then kept under another name.',
  })
}

function keptFinding(restore: DatabaseRestore, kept: string): Finding {
  return {
    severity: 'info',
    code: 'old-database-kept',
    subject: `database ${restore.target}`,
    message: `the database that was there is now called ${kept}`,
    hint: `When all is well, drop it: DROP DATABASE ${quoteIdentifier(kept)};`,
  }
}

function collationFinding(restore: DatabaseRestore): Finding {
  return {
    severity: 'warning',
    code: 'collation-differs',
    subject: `database ${restore.target}`,
    message: `the server does not know the collation ${restore.database.collation}: C was used, texts sort differently`,
    hint: 'Install that locale on the server (locale-gen), then restore again.',
  }
}
