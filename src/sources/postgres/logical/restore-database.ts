import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachLimit } from '../../../base/concurrency.ts'
import { AppError } from '../../../base/errors.ts'
import { systemRandom } from '../../../base/random.ts'
import { quoteIdentifier, runTool, withSession } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { CheckOutcome } from '../../source.ts'
import { copyOfDatabases } from '../restored-copy.ts'
import { runOverArchive } from './archives.ts'
import { keptNameOf, stagingName, stagingNameOf } from './database-names.ts'
import type { DatabaseRestore, LoadRun, StagedDatabase } from './database-restore.ts'
import {
  applyStatements,
  type DatabaseStatements,
  databaseLines,
  parseDatabaseStatements,
} from './database-settings.ts'
import { requireExtensions } from './extensions.ts'
import { readSchemaText } from './logical-capture.ts'
import { loadMasked } from './masking/load-masked.ts'
import { type PlacedDatabases, placeDatabases, targetExists } from './place-databases.ts'
import { fileName, GLOBALS_FILE } from './plan.ts'
import { readReplaced } from './replaced-database.ts'
import { checkRows } from './restore-checks.ts'
import { createRoles, missingRoles, rolesFinding, ungrantableOwners } from './roles.ts'
import { encodingArguments, rolesIn, schemaFingerprint } from './sql-text.ts'
import { databaseExists, StagingDatabase } from './staging-database.ts'

/**
 * Restores into a new database, checks it there, and then gives it the target's name. What had that name is kept under
 * another one. Until that instant nothing that anybody uses has changed.
 */
export async function restoreDatabase(restore: DatabaseRestore): Promise<PlacedDatabases> {
  return await placeDatabases(restore.admin, restore.request, [await stageDatabase(restore)])
}

/** All that can be done while what is there is in use. The caller places what comes of it, or drops it. */
export async function stageDatabase(restore: DatabaseRestore): Promise<StagedDatabase> {
  const { admin, target, request, database } = restore
  const name =
    request.keepAs === undefined ? stagingName(target, systemRandom.bytes(4)) : stagingNameOf(target, request.keepAs)
  const replaced = await readReplaced(admin, target, name)
  if (replaced && !request.force) throw targetExists(restore)
  await requireFreeName(restore, replaced !== undefined)
  await requireExtensions(restore)
  const findings: Finding[] = []
  const roles = await prepareRoles(restore, findings)
  const captured = await readStatements(restore, name)
  const owner = replaced?.owner ?? (roles.ownersLeftOut ? undefined : database.owner)
  const options = { owner, tablespace: replaced?.tablespace, create: captured.createOptions }
  const staging = await StagingDatabase.create(admin, target, name, database, options)
  try {
    if (staging.otherCollation) findings.push(collationFinding(restore))
    const own = replaced?.statements ?? (roles.ownersLeftOut ? { ...captured, grants: [] } : captured)
    // Whom it is closed to must not read it while it has another name.
    findings.push(...(await applyStatements(admin, own.grants, target)))
    const run = { ...restore, into: staging.name, more: roles.arguments, options: loadOptions(restore) }
    const masking = request.mask && (await loadMasked(run, request.mask, streamArchive))
    if (masking) findings.push(...masking.findings)
    else await loadArchives(run)
    const checks = request.checks ? await check(restore, staging.name, findings) : []
    if (request.checks && checks.every(each => each.passed)) checks.push(...(await askCopy(restore, staging.name)))
    // Settings may keep ourselves out: a connection limit.
    findings.push(...(await applyStatements(admin, own.settings, target)))
    return { restore, staging, checks, findings, masked: masking?.masked }
  } catch (error) {
    await staging.drop().catch(() => {})
    throw error
  }
}

async function requireFreeName({ admin, target, request }: DatabaseRestore, replaces: boolean): Promise<void> {
  if (!replaces || request.keepAs === undefined) return
  const kept = keptNameOf(target, request.keepAs)
  if (!(await databaseExists(admin, kept))) return
  throw new AppError('target-exists', `there is a database ${kept} already, the name for what is replaced`, {
    hint: `Rename or drop it: DROP DATABASE ${quoteIdentifier(kept)};`,
  })
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
async function loadArchives(run: LoadRun): Promise<void> {
  const { archives, jobs, request } = run
  const [main = '', ...parts] = run.database.archives
  if (run.type === 'schema') return await streamArchive(run, main, ['--schema-only'])
  if (jobs === 1) {
    if (parts.length === 0) return await streamArchive(run, main, [])
    await streamArchive(run, main, ['--section=pre-data', '--section=data'])
    for (const part of parts) await streamArchive(run, part, ['--data-only'])
    return await streamArchive(run, main, ['--section=post-data'])
  }
  const dir = join(request.scratchDir, `restore-${fileName(run.target)}`)
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

/** Nobody reads the database before the renaming commits, which makes durable all that was written before it. */
function loadOptions({ settings }: DatabaseRestore): string {
  return [settings.options, '-c synchronous_commit=off -c maintenance_work_mem=256MB'].filter(Boolean).join(' ')
}

async function streamArchive(run: LoadRun, path: string, args: readonly string[]): Promise<void> {
  await runOverArchive(run.tools, loadRequest(run, args), run.archives.read(path), `restore ${run.target}`)
}

async function loadFile(run: LoadRun, file: string, args: readonly string[]): Promise<void> {
  const request = loadRequest(run, [...args, file])
  await runTool(run.tools, { ...request, tool: 'pg_restore' }, `restore ${run.target}`)
}

function loadRequest({ settings, into, request, more, options }: LoadRun, args: readonly string[]) {
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

async function askCopy(restore: DatabaseRestore, staging: string): Promise<readonly CheckOutcome[]> {
  const { request, settings, database } = restore
  const { onRestored, snapshot, signal } = request
  if (onRestored === undefined || restore.type === 'schema') return []
  const defaultDatabase = snapshot.manifest?.database?.databases?.[0]?.name ?? database.name
  const names = new Map([[database.name, staging]])
  return await onRestored(copyOfDatabases({ settings, names, defaultDatabase, signal }))
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

function collationFinding(restore: DatabaseRestore): Finding {
  return {
    severity: 'warning',
    code: 'collation-differs',
    subject: `database ${restore.target}`,
    message: `the server does not know the collation ${restore.database.collation}: C was used, texts sort differently`,
    hint: 'Install that locale on the server (locale-gen), then restore again.',
  }
}
