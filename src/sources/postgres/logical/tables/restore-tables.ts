import { AppError } from '../../../../base/errors.ts'
import { withSession } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { BackupType, ManifestTable } from '../../../../model/manifest.ts'
import type { Change, ChangedTables, Held } from '../../../target.ts'
import { readToc, type TocEntry } from '../archive/toc.ts'
import { keptRows, rowlessAmong } from '../capture/part-snapshot.ts'
import { isOfBytes } from '../names-of-bytes.ts'
import { fileName } from '../plan.ts'
import type { DatabaseOutcome, DatabaseRestore } from '../restore/database-restore.ts'
import { isGrantTo, type LackingRoles, lackingFinding, lackingRoles } from '../restore/lacking-roles.ts'
import {
  largeObjectEntries,
  largeObjectFindings,
  NUMBERS_LINE_BYTES,
  openLargeObjects,
  TELL_LARGE_OBJECTS,
  takeLargeObject,
} from '../restore/large-objects.ts'
import { named } from '../restore/mending.ts'
import { databaseExists } from '../restore/staging-database.ts'
import { DEFAULT_SEARCH_PATH } from '../search-path.ts'
import { placesOf } from '../target/choose-targets.ts'
import { tablesAmong } from './drop-created.ts'
import { listExisting } from './existing-objects.ts'
import { displayName, type TableName } from './table-pattern.ts'
import { TablePsql } from './table-psql.ts'
import {
  beginScript,
  COMMIT_SCRIPT,
  countScript,
  holdScript,
  lockScript,
  mendScript,
  openScript,
  revokeScript,
} from './table-script.ts'
import {
  chooseTables,
  EXISTENCE,
  type ExistingObjects,
  objectKey,
  selectEntries,
  type TableSelection,
} from './table-selection.ts'
import { shapeFindings } from './table-shape.ts'

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
  requireWritableNames(asked)
  const existing = await withSession(restore.settings, { database: target, signal: request.signal }, listExisting)
  const stays = restore.type === 'schema' ? [] : rowlessAmong(asked, restore.database).filter(isThere(existing))
  if (stays.length > 0 && stays.length === asked.length) throw nothingToBring(restore, stays)
  const tables = asked.filter(table => !stays.includes(table))
  const whole = request.takeAway === undefined && named.length + schemas.length === 0
  const selection = onlyPart(selectEntries(toc, tables, existing, { whole, sequences: named }), restore.type)
  requireForce(restore, selection)
  const findings: Finding[] = [...stays.map(keptRows), ...selection.left.map(entry => leftFinding(restore, entry))]
  findings.push(...(await shapeFindings(restore, existingTables(selection))))
  const lacking = await lackingRoles(restore)
  findings.push(...lackingFinding(restore, toc, selection, lacking))
  findings.push(...(await runScript(restore, toc, selection, existing, lacking, beforeChange)))
  if (restore.type === 'schema') return { checks: [], findings }
  const rows = expectedRows(restore, tables)
  const say = `${rows.reduce((sum, table) => sum + table.rows, 0)} rows in ${rows.length} tables`
  return { checks: [{ name: `row counts of ${target}`, passed: true, expected: say, found: say }], findings }
}

function leftFinding({ database, target, archives }: DatabaseRestore, entry: TocEntry): Finding {
  return {
    severity: 'warning',
    code: 'object-left-out',
    subject: `${named(entry)} of database ${target}`,
    message: 'the database lacks it, and it did not come back with the tables that it belongs to',
    hint: `Run its statement when what it needs is there: it is in ${fileName(database.name)}.schema.sql of snapshot ${archives.snapshot.id.slice(0, 8)}.`,
  }
}

/** No statement of ours can hold bytes that are no UTF-8. */
function requireWritableNames(tables: readonly TableName[]): void {
  const odd = tables.find(isOfBytes)
  if (odd === undefined) return
  throw new AppError(
    'unsupported',
    `the name of table ${displayName(odd)} is not UTF-8: it cannot come back by itself`,
    {
      hint: 'Restore the whole snapshot to a new database with --to, and take the rows from there. Nothing was changed.',
    },
  )
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
    hint: 'Add --force to replace its rows with those of the snapshot.',
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

/** COMMIT is sent only when all went well. */
async function runScript(
  restore: DatabaseRestore,
  toc: readonly TocEntry[],
  selection: TableSelection,
  existing: ExistingObjects,
  lacking: LackingRoles,
  beforeChange: BeforeRows,
): Promise<Finding[]> {
  const { settings, target, request, lockTimeoutSeconds } = restore
  const there = restore.type === 'schema' ? [] : existingTables(selection)
  const drops = {
    objects: request.takeAway ?? [],
    tables: tablesAmong(request.takeAway ?? []).filter(isThere(existing)),
  }
  const findings: Finding[] = []
  await TablePsql.run(restore, lacking, async script => {
    await script.say(beginScript(lockTimeoutSeconds))
    const token = BigInt(await script.hear()).toString()
    const hold = async (): Promise<Held> => {
      await script.say(holdScript([...there, ...drops.tables], lockTimeoutSeconds))
      await script.hear()
      return { token }
    }
    const tables = changedTables(selection, existing, [...there, ...drops.tables])
    await beforeChange({ places: placesOf(settings, [target]), token, hold, tables })
    const searchPath = restore.database.searchPath ?? DEFAULT_SEARCH_PATH
    await script.say(openScript(there, drops, { lockTimeoutSeconds, searchPath }))
    findings.push(
      ...(await fill({ restore, script, toc, selection, existing, lacking, there, created: tables.created })),
    )
    await script.say(COMMIT_SCRIPT)
  })
  return findings
}

interface Filling {
  readonly restore: DatabaseRestore
  readonly script: TablePsql
  readonly toc: readonly TocEntry[]
  readonly selection: TableSelection
  readonly existing: ExistingObjects
  readonly lacking: LackingRoles
  readonly there: readonly TableName[]
  readonly created: ChangedTables['created']
}

/** What the archives hold, in an order in which each part finds what it needs; then the last word before COMMIT. */
async function fill(filling: Filling): Promise<Finding[]> {
  const { restore, script, toc, selection, existing, there, created } = filling
  const { database, request, lockTimeoutSeconds, type } = restore
  const [main = '', ...parts] = database.archives
  await script.pump(main, selection.before)
  const rows = type === 'schema' ? [] : parts.filter(path => holdsOneOf(path, selection.tables))
  for (const part of rows) await script.pumpArchive(part, ['--data-only'])
  await script.say(mendScript(there))
  const findings = type === 'schema' ? [] : await bringLargeObjects(filling)
  await script.say(lockScript(tiedTables(toc, selection, existing), lockTimeoutSeconds))
  await script.pump(main, selection.after)
  await script.say(mendScript([]))
  await script.say(revokeScript(created))
  await script.pump(main, selection.last)
  await script.say(mendScript([]))
  if (request.checks && type !== 'schema')
    await script.say(countScript(expectedRows(restore, selection.tables), database.searchPath ?? DEFAULT_SEARCH_PATH))
  return findings
}

async function bringLargeObjects({ restore, script, toc, selection, lacking }: Filling): Promise<Finding[]> {
  const { request, database, target } = restore
  const [main = ''] = database.archives
  const entries = largeObjectEntries(toc)
  if (entries.length === 0 || selection.tables.length === 0) return []
  const { tables = [], schemas = [] } = request.selection ?? {}
  const of = tables.length + schemas.length === 0 ? 'all' : selection.tables
  await script.say(openLargeObjects(of, database.searchPath ?? DEFAULT_SEARCH_PATH))
  await script.pump(main, entries, line => (isGrantTo(line, lacking) ? undefined : takeLargeObject(line)))
  await script.say(mendScript([]))
  await script.say(TELL_LARGE_OBJECTS)
  const [made, differing] = [Number(await script.hear()), Number(await script.hear())]
  const numbers = (await script.hear(NUMBERS_LINE_BYTES)).split(',').filter(each => each !== '')
  return largeObjectFindings(target, { made, differing, numbers })
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
