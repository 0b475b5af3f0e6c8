import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError } from '../../../../base/errors.ts'
import { systemRandom } from '../../../../base/random.ts'
import { quoteIdentifier, withSession } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { CheckOutcome } from '../../../source.ts'
import { copyOfDatabases } from '../../restored-copy.ts'
import { missingTablespaces } from '../archive/archive-needs.ts'
import { runOverArchive } from '../archive/archives.ts'
import { readToc } from '../archive/toc.ts'
import { readSchemaText } from '../capture/schema-text.ts'
import { keptNameOf, stagingName, stagingNameOf } from '../database-names.ts'
import { loadMasked } from '../masking/load-masked.ts'
import { fileName, GLOBALS_FILE } from '../plan.ts'
import { rolesFinding } from '../roles.ts'
import { encodingArguments, schemaFingerprint } from '../sql-text.ts'
import { listTablespaces, tablespacesFinding } from '../target/survey-archives.ts'
import type { DatabaseRestore, StagedDatabase } from './database-restore.ts'
import {
  applyStatements,
  type DatabaseStatements,
  databaseLines,
  parseDatabaseStatements,
} from './database-settings.ts'
import { requireExtensions } from './extensions.ts'
import { lackingRoles } from './lacking-roles.ts'
import { loadArchives } from './load-archives.ts'
import { ALTERED } from './mending.ts'
import { type PlacedDatabases, placeDatabases, targetExists } from './place-databases.ts'
import { readReplaced } from './replaced-database.ts'
import { checkRows } from './restore-checks.ts'
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
  const lacking = await lackingRoles(restore)
  const captured = await readStatements(restore, name)
  const isOwnerLost = lacking.owners.has(database.owner) || database.owner.includes('\ufffd')
  const owner = replaced?.owner ?? (isOwnerLost ? undefined : database.owner)
  const options = { owner, tablespace: replaced?.tablespace, create: captured.createOptions }
  const staging = await StagingDatabase.create(admin, target, name, database, options)
  try {
    if (staging.otherCollation) findings.push(collationFinding(restore))
    const own = replaced?.statements ?? captured
    // Whom it is closed to must not read it while it has another name.
    findings.push(...(await applyStatements(admin, own.grants, target)))
    const more = await withoutTablespaces(restore, findings)
    const run = { ...restore, into: staging.name, more, options: loadOptions(restore) }
    const masking = request.mask && (await loadMasked(run, request.mask))
    if (masking) findings.push(...masking.findings)
    else findings.push(...(await loadArchives(run)))
    if (owner === undefined && !findings.some(each => each.affects?.includes(database.owner) === true))
      findings.push(rolesFinding(`database ${target}`, [database.owner], restore.archives.has(GLOBALS_FILE)))
    const checks = request.checks ? await check(restore, staging.name, findings) : []
    if (checks.every(each => each.passed)) checks.push(...(await askCopy(restore, staging.name)))
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

/** Nobody reads the database before the renaming commits, which makes durable all that was written before it. */
function loadOptions({ settings }: DatabaseRestore): string {
  return [settings.options, '-c synchronous_commit=off -c maintenance_work_mem=256MB'].filter(Boolean).join(' ')
}

async function check(restore: DatabaseRestore, staging: string, findings: Finding[]): Promise<CheckOutcome[]> {
  const { settings, database, type, request } = restore
  const { signal } = request
  findings.push(...(await compareSchema(restore, staging, findings)))
  if (type === 'schema') return []
  return [await withSession(settings, { database: staging, signal }, session => checkRows(session, database))]
}

/** That it can't be read, for pg_dump needs a lock on each table at once, is no reason to refuse what was restored. */
async function compareSchema(
  { settings, database, tools, request, target, partial }: DatabaseRestore,
  staging: string,
  told: readonly Finding[],
): Promise<Finding[]> {
  const capturedBy = String(request.snapshot.manifest?.database?.properties['pgDumpVersion'] ?? '')
  // Other versions may write the same schema in other words; and how it differs may have been told already.
  if (capturedBy !== tools.version || partial || told.some(finding => ALTERED.has(finding.code))) return []
  const finding = { severity: 'warning' as const, subject: `database ${target}` }
  try {
    const from = { ...settings, database: staging }
    const text = await readSchemaText(tools, from, request.signal, encodingArguments(database.encoding))
    if (schemaFingerprint(text) === database.schemaFingerprint) return []
  } catch (error) {
    if (!isAppError(error) || error.code === 'interrupted') throw error
    return [{ ...finding, code: 'schema-unread', message: `its schema could not be compared: ${error.message}` }]
  }
  return [
    {
      ...finding,
      code: 'schema-differs',
      message: 'its schema reads differently from the one that was captured',
      hint: `Compare ${fileName(database.name)}.schema.sql of the snapshot with "pg_dump --schema-only".`,
    },
  ]
}

async function askCopy(restore: DatabaseRestore, staging: string): Promise<readonly CheckOutcome[]> {
  const { request, settings, database } = restore
  const { onRestored, snapshot, signal } = request
  if (onRestored === undefined || restore.type === 'schema') return []
  const defaultDatabase = snapshot.manifest?.database?.databases?.[0]?.name ?? database.name
  const names = new Map([[database.name, staging]])
  return await onRestored(copyOfDatabases({ settings, names, defaultDatabase, signal }))
}

/** A table that can't lie where it lay lies where the database does. */
async function withoutTablespaces(restore: DatabaseRestore, findings: Finding[]): Promise<string[]> {
  const [main = ''] = restore.database.archives
  const toc = await readToc(restore.archives.read(main))
  const missing = missingTablespaces(toc, await listTablespaces(restore.admin))
  if (missing.length === 0) return []
  findings.push(tablespacesFinding(`database ${restore.target}`, missing))
  return ['--no-tablespaces']
}

function collationFinding(restore: DatabaseRestore): Finding {
  return {
    severity: 'warning',
    code: 'collation-differs',
    subject: `database ${restore.target}`,
    message: `the server does not know the collation ${restore.database.collation}: C was used, texts sort differently`,
    hint: `Where the order of texts matters, install ${restore.database.collation} on the machine of the server (Debian: dpkg-reconfigure locales), restart the server, then restore again.`,
  }
}
