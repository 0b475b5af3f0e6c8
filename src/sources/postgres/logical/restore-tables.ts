import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from '../../../base/child.ts'
import { AppError } from '../../../base/errors.ts'
import { requireSuccess, startTool, withSession } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { BackupType, ManifestTable } from '../../../model/manifest.ts'
import type { Change, ChangedTables, Held } from '../../target.ts'
import { runOverArchive } from './archives.ts'
import { placesOf } from './choose-targets.ts'
import type { DatabaseOutcome, DatabaseRestore } from './database-restore.ts'
import { tablesAmong } from './drop-created.ts'
import { listExisting } from './existing-objects.ts'
import { keptRows, missingLargeObjects, rowlessAmong } from './part-snapshot.ts'
import { fileName } from './plan.ts'
import { prepareRoles } from './restore-database.ts'
import { scriptError } from './script-error.ts'
import { DEFAULT_SEARCH_PATH } from './search-path.ts'
import { databaseExists } from './staging-database.ts'
import { displayName, type TableName } from './table-pattern.ts'
import {
  beginScript,
  COMMIT_SCRIPT,
  countScript,
  holdScript,
  lockScript,
  mendScript,
  openScript,
  revokeScript,
  SAID_LINE_BYTES,
} from './table-script.ts'
import {
  chooseTables,
  EXISTENCE,
  type ExistingObjects,
  objectKey,
  selectEntries,
  type TableSelection,
} from './table-selection.ts'
import { readToc, type TocEntry } from './toc.ts'

/** Called with the transaction open and nothing done in it: what is there can still be read, and until `hold` written. */
export type BeforeRows = (change: Change) => Promise<void>

/**
 * Gives tables of a living database the rows (and what hangs on them and is gone: indexes, keys, triggers, foreign keys
 * of other tables) of the snapshot, in one transaction: all of it happens, or nothing.
 */
export async function restoreTables(
  restore: DatabaseRestore,
  beforeChange: BeforeRows = () => Promise.resolve(),
): Promise<DatabaseOutcome> {
  const { admin, target, request } = restore
  if (!(await databaseExists(admin, target))) {
    throw new AppError('target-invalid', `there is no database ${target} to restore tables into`, {
      hint: 'Create it, or restore the whole snapshot to it.',
    })
  }
  const [main = ''] = restore.database.archives
  const toc = await readToc(restore.archives.read(main))
  const { tables: named = [], schemas = [] } = request.selection ?? {}
  const nothing = request.takeAway !== undefined && named.length === 0
  const asked = nothing ? [] : chooseTables(toc, request.selection ?? {})
  const existing = await withSession(restore.settings, { database: target, signal: request.signal }, listExisting)
  const stays = restore.type === 'schema' ? [] : rowlessAmong(asked, restore.database).filter(isThere(existing))
  if (stays.length > 0 && stays.length === asked.length) throw nothingToBring(restore, stays)
  const tables = asked.filter(table => !stays.includes(table))
  const whole = request.takeAway === undefined && named.length + schemas.length === 0
  const selection = onlyPart(selectEntries(toc, tables, existing, { whole, sequences: named }), restore.type)
  requireForce(restore, selection)
  const lost = restore.type === 'schema' ? [] : missingLargeObjects(toc, tables, restore.database)
  const findings: Finding[] = [...stays.map(keptRows), ...lost]
  const roles = await prepareRoles(restore, findings)
  await runScript(restore, toc, selection, existing, roles.arguments, beforeChange)
  if (restore.type === 'schema') return { checks: [], findings }
  const rows = expectedRows(restore, tables)
  const say = `${rows.reduce((sum, table) => sum + table.rows, 0)} rows in ${rows.length} tables`
  return { checks: [{ name: `row counts of ${target}`, passed: true, expected: say, found: say }], findings }
}

function nothingToBring({ target, request }: DatabaseRestore, tables: readonly TableName[]): AppError {
  const what = tables.map(displayName).join(', ')
  return new AppError('target-invalid', `the snapshot has no rows of ${what} for database ${target}`, {
    hint: `"excludeTableData" of the source left them out of snapshot ${request.snapshot.id.slice(0, 8)}. Nothing was changed.`,
  })
}

function requireForce(restore: DatabaseRestore, selection: TableSelection): void {
  const there = existingTables(selection)
  if (restore.type === 'data' && selection.created.length > 0) {
    throw new AppError('target-invalid', `database ${restore.target} lacks the table ${nameOf(selection.created[0])}`, {
      hint: 'Rows alone go into tables that are there: bring the schema back first.',
    })
  }
  // Without rows nothing of a table that is there changes.
  if (there.length === 0 || restore.request.force || restore.type === 'schema') return
  throw new AppError('target-exists', `table ${nameOf(there[0])} is there already in database ${restore.target}`, {
    hint: 'Say --force to replace its rows by those of the snapshot.',
    context: { tables: there.map(nameOf) },
  })
}

function isThere(existing: ExistingObjects): (table: TableName) => boolean {
  return ({ schema, name }) => existing.has(objectKey('TABLE', schema, name))
}

function existingTables(selection: TableSelection): TableName[] {
  const created = new Set(selection.created.map(nameOf))
  return selection.tables.filter(table => !created.has(nameOf(table)))
}

function nameOf(table: TableName | undefined): string {
  return table === undefined ? '' : displayName(table)
}

/** psql runs our script and, between its parts, what pg_restore writes. COMMIT is sent only when all went well. */
async function runScript(
  restore: DatabaseRestore,
  toc: readonly TocEntry[],
  selection: TableSelection,
  existing: ExistingObjects,
  more: readonly string[],
  beforeChange: BeforeRows,
): Promise<void> {
  const { tools, settings, target, request, lockTimeoutSeconds } = restore
  const there = restore.type === 'schema' ? [] : existingTables(selection)
  const drops = {
    objects: request.takeAway ?? [],
    tables: tablesAmong(request.takeAway ?? []).filter(isThere(existing)),
  }
  const connection = { ...settings, database: target }
  const tool = {
    tool: 'psql',
    args: ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1', '--output=/dev/null', '--file=-'],
    settings: connection,
    stdin: 'pipe' as const,
    signal: request.signal,
  }
  const psql = await startTool(tools, tool)
  try {
    await say(psql, beginScript(lockTimeoutSeconds))
    const token = BigInt(await hear(psql)).toString()
    const hold = async (): Promise<Held> => {
      await say(psql, holdScript([...there, ...drops.tables], lockTimeoutSeconds))
      await hear(psql)
      return { token }
    }
    const tables = changedTables(selection, existing, [...there, ...drops.tables])
    await beforeChange({ places: placesOf(settings, [target]), token, hold, tables })
    await say(psql, openScript(there, drops, lockTimeoutSeconds))
    await fill({ restore, psql, toc, selection, existing, there, created: tables.created, more })
    await say(psql, COMMIT_SCRIPT)
  } catch (error) {
    // Without COMMIT the server rolls back when psql is gone. What psql said comes first: pg_restore only lost its reader.
    if (!(error instanceof ScriptStopped)) throw error
  } finally {
    psql.endInput()
    if (!psql.ended) await psql.wait().catch(() => psql.stop())
  }
  const exit = await psql.wait()
  if (exit.code !== 0) throw scriptError(psql.stderr, target, settings)
  requireSuccess(psql, exit, { settings: connection, tool: 'psql' }, `restore tables of ${target}`)
}

interface Filling {
  readonly restore: DatabaseRestore
  readonly psql: Child
  readonly toc: readonly TocEntry[]
  readonly selection: TableSelection
  readonly existing: ExistingObjects
  readonly there: readonly TableName[]
  readonly created: ChangedTables['created']
  readonly more: readonly string[]
}

/** What the archives hold, in an order in which each part finds what it needs; then the last word before COMMIT. */
async function fill({ restore, psql, toc, selection, existing, there, created, more }: Filling): Promise<void> {
  const { database, request, lockTimeoutSeconds } = restore
  const [main = '', ...parts] = database.archives
  await pump(restore, psql, main, selection.before, more)
  const rows = restore.type === 'schema' ? [] : parts.filter(path => holdsOneOf(path, selection.tables))
  for (const part of rows) {
    await pumpArchive(restore, psql, part, ['--data-only', ...more])
  }
  await say(psql, mendScript(there))
  await say(psql, lockScript(tiedTables(toc, selection, existing), lockTimeoutSeconds))
  await pump(restore, psql, main, selection.after, more)
  await say(psql, mendScript([]))
  await say(psql, revokeScript(created))
  await pump(restore, psql, main, selection.last, more)
  await say(psql, mendScript([]))
  if (request.checks && restore.type !== 'schema')
    await say(
      psql,
      countScript(expectedRows(restore, selection.tables), restore.database.searchPath ?? DEFAULT_SEARCH_PATH),
    )
}

async function hear(psql: Child): Promise<string> {
  const line = Buffer.alloc(SAID_LINE_BYTES)
  if ((await psql.read(line)) < line.length) throw new ScriptStopped()
  return line.toString('latin1').trim()
}

/** Tables that are there, and that foreign keys and partitions which come back are tied to. */
function tiedTables(toc: readonly TocEntry[], { after }: TableSelection, existing: ExistingObjects): TableName[] {
  const ties = after.filter(({ kind }) => kind === 'FK CONSTRAINT' || kind === 'TABLE ATTACH')
  const ids = new Set(ties.flatMap(entry => entry.dependsOn))
  return toc
    .filter(entry => entry.kind === 'TABLE' && ids.has(entry.id))
    .flatMap(({ schema, tag }) => (schema === undefined ? [] : [{ schema, name: tag }]))
    .filter(isThere(existing))
}

/** What the restore changes and makes, so that all of it, and nothing else, can be taken back. */
function changedTables(
  selection: TableSelection,
  existing: ExistingObjects,
  there: readonly TableName[],
): ChangedTables {
  const entries = [...selection.before, ...selection.after]
  const numbers = entries.flatMap(({ kind, schema, tag }) =>
    kind === 'SEQUENCE SET' && schema !== undefined && existing.has(objectKey('SEQUENCE', schema, tag))
      ? [{ schema, name: tag }]
      : [],
  )
  const created = entries
    .filter(entry => EXISTENCE.has(entry.kind))
    .map(({ kind, schema, tag }) => ({ kind, ...(schema === undefined ? {} : { schema }), name: tag }))
  return { changed: [...there, ...numbers].map(displayName), created }
}

const ROWS: ReadonlySet<string> = new Set(['TABLE DATA', 'SEQUENCE SET'])

function onlyPart(selection: TableSelection, type: BackupType): TableSelection {
  const { before, after } = selection
  if (type === 'data')
    return { ...selection, before: before.filter(entry => ROWS.has(entry.kind)), after: [], last: [] }
  if (type !== 'schema') return selection
  const keeps = ({ kind }: TocEntry): boolean => !ROWS.has(kind) && kind !== 'MATERIALIZED VIEW DATA'
  return { ...selection, before: before.filter(keeps), after: after.filter(keeps), last: selection.last.filter(keeps) }
}

/** psql ended before we had said all. */
class ScriptStopped extends Error {}

async function say(psql: Child, text: string): Promise<void> {
  if (!(await psql.write(Buffer.from(text)))) throw new ScriptStopped()
}

async function pump(
  restore: DatabaseRestore,
  psql: Child,
  path: string,
  entries: readonly TocEntry[],
  more: readonly string[],
): Promise<void> {
  if (entries.length === 0) return
  const list = join(restore.request.scratchDir, `entries-${fileName(restore.target)}`)
  await writeFile(list, `${entries.map(entry => `${entry.id};`).join('\n')}\n`, { mode: 0o600 })
  await pumpArchive(restore, psql, path, [`--use-list=${list}`, ...more])
}

const PUMP_BYTES = 256 * 1024
const NO_LIMIT = 'SET lock_timeout = 0;'
/** What pg_restore begins with is shorter. */
const PREAMBLE_BYTES = 1024

/** pg_restore waits for locks as long as it takes; we tell, after a while, who has them. */
function withLockTimeout(bytes: Buffer, seconds: number): Buffer {
  const at = bytes.subarray(0, PREAMBLE_BYTES).indexOf(NO_LIMIT)
  if (at < 0) return bytes
  const limit = Buffer.from(`SET lock_timeout = '${seconds}s';`)
  return Buffer.concat([bytes.subarray(0, at), limit, bytes.subarray(at + NO_LIMIT.length)])
}

async function pumpArchive(
  restore: DatabaseRestore,
  psql: Child,
  path: string,
  args: readonly string[],
): Promise<void> {
  const { tools, request, archives, target } = restore
  const run = { args: ['--file=-', ...args], settings: undefined, signal: request.signal }
  await runOverArchive(tools, run, archives.read(path), `restore tables of ${target}`, async child => {
    for (let first = true; ; first = false) {
      const buffer = Buffer.alloc(PUMP_BYTES)
      const count = await child.read(buffer)
      const part = buffer.subarray(0, count)
      const text = first ? withLockTimeout(part, restore.lockTimeoutSeconds) : part
      if (count > 0 && !(await psql.write(text))) throw new ScriptStopped()
      if (count < buffer.length) return
    }
  })
}

function holdsOneOf(path: string, tables: readonly TableName[]): boolean {
  return tables.some(table => path.endsWith(`/${fileName(table.schema, true)}.${fileName(table.name, true)}.dump`))
}

function expectedRows(restore: DatabaseRestore, tables: readonly TableName[]): Array<TableName & ManifestTable> {
  const exact = restore.database.tables.filter(table => table.estimated !== true)
  const rows = new Map(exact.map(table => [table.name, table.rows]))
  const counted: Array<TableName & ManifestTable> = []
  for (const table of tables) {
    const count = rows.get(nameOf(table))
    if (count !== undefined) counted.push({ ...table, rows: count })
  }
  return counted
}
