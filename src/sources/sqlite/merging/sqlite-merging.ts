import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf, throwIfAborted } from '../../../base/errors.ts'
import { isPart } from '../../../model/manifest.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { TableDescription } from '../../../model/table-description.ts'
import type { Adding, Dialect, MergingPlace, MergingRequest, Staging } from '../../source.ts'
import { closeDatabaseFile, openDatabaseFile } from '../database-file.ts'
import { isFault } from '../faults.ts'
import { quoteName, quoteText } from '../schema-text.ts'
import { Session, SessionFault } from '../session.ts'
import type { MergeFiles, MergeTables, SessionCalls } from '../session-protocol.ts'
import { WORK_FILES, workSchema } from './work-files.ts'

/** How long to wait for another writer to end its transaction. */
const WAIT_MS = 30_000

/** Copies the backup into the scratch folder, then opens the target with it in a process of its own. */
export async function openSqliteMerging(request: MergingRequest, own: string): Promise<MergingPlace> {
  const { scratchDir, signal } = request
  throwIfAborted(signal)
  const node = await findDatabase(request)
  // Refuses what is no database, or half of one.
  const target = await openDatabaseFile(request.target ?? own)
  await closeDatabaseFile(target)
  const work = Array.from({ length: WORK_FILES }, (_, at) => join(scratchDir, `merge-work${at}.db`))
  const files = { target: target.path, work, backup: join(scratchDir, 'merge-backup.db'), waitMs: WAIT_MS }
  const place = new SqliteMergingPlace(files, new Session(signal))
  try {
    await removeOwn(files)
    await (await open(files.backup, 'wx', 0o600)).close()
    for (const file of files.work) await (await open(file, 'wx', 0o600)).close()
    await request.snapshot.restoreFiles([{ node, path: files.backup, delta: false }])
    await place.open()
    return place
  } catch (error) {
    await place.close()
    throw error
  }
}

async function findDatabase(request: MergingRequest): Promise<TreeNode> {
  const { id, manifest } = request.snapshot
  const nodes: TreeNode[] = []
  for await (const { node } of request.snapshot.entries()) if (node.type === 'file') nodes.push(node)
  const [only] = nodes
  if (only && nodes.length === 1 && !isPart(manifest?.type)) return only
  const what = isPart(manifest?.type) ? `holds ${manifest.type} only, as SQL` : 'is not of one SQLite database'
  throw new AppError('unsupported', `snapshot ${id.slice(0, 8)} ${what}, and cannot be merged`, {
    hint: 'Choose a snapshot of type full, incremental or differential; see: lifeboat snapshots',
  })
}

/** A session that was killed in its transaction leaves a journal, which the next one to open the database rolls back. */
async function rollBackJournal(path: string): Promise<void> {
  const session = new Session(new AbortController().signal)
  try {
    await session.call('openPrivate', { path })
    await session.call('settle', {})
  } catch (error) {
    // It is locked: whoever has it open does the same.
    if (!isFault(error)) throw error
  } finally {
    await session.close()
  }
}

async function removeOwn(files: MergeFiles): Promise<void> {
  for (const path of [...files.work, files.backup]) {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(path + end, { force: true })
  }
}

/** Work tables are numbered. */
const schemaOf = (name: string): string => workSchema(Number(/\d+/.exec(name)?.[0]))

const dialect: Dialect = {
  quote: quoteName,
  work: name => `${schemaOf(name)}.${name}`,
  rowNumber: 'INTEGER PRIMARY KEY',
  overriding: '',
  // Without the column's collation, by which 'a' may equal 'A'; and 1 equals 1.0.
  differs: (a, b) => `(${a} IS NOT ${b} COLLATE BINARY OR typeof(${a}) <> typeof(${b}))`,
  same: (a, b) => `${a} IS ${b}`,
  text: value =>
    `CASE typeof(${value}) WHEN 'blob' THEN 'x''' || hex(${value}) || '''' ELSE CAST(${value} AS TEXT) END`,
  index: (work, name, columns) => `CREATE INDEX ${schemaOf(work)}.${name} ON ${work} (${columns.join(', ')})`,
  // Each time SQLite reads all statistics of the file, so it is done once for all.
  analyze: () => undefined,
  analyzeAll: Array.from({ length: WORK_FILES }, (_, at) => `ANALYZE ${workSchema(at)}`),
}

class SqliteMergingPlace implements MergingPlace {
  readonly target: string
  readonly dialect = dialect
  // A capture of the file needs the lock that `begin` takes.
  readonly readableWhileHeld = true
  tables: MergeTables = { target: [], backup: [], foreignKeysSound: true, unmerged: [] }
  readonly #files: MergeFiles
  readonly #session: Session
  #silenced = false
  #violations = 0
  #begun = false
  #closed = false

  constructor(files: MergeFiles, session: Session) {
    this.target = files.target
    this.#files = files
    this.#session = session
  }

  async open(): Promise<void> {
    this.tables = await this.#call('openMerge', this.#files)
  }

  selector(table: TableDescription): string {
    return table.name
  }

  async countBackupRows(table: TableDescription): Promise<number> {
    const [row] = await this.rows(`SELECT count(*) FROM ${table.scan}`)
    return Number(row?.[0] ?? 0)
  }

  async stage({ from, into, columns, orderBy }: Staging): Promise<void> {
    const names = columns.map(column => column.into).join(', ')
    const values = columns.map(column => quoteName(column.from)).join(', ')
    const order = orderBy.map(quoteName).join(', ')
    await this.change(`INSERT INTO ${into} (${names}) SELECT ${values} FROM ${from.scan} ORDER BY ${order}`)
  }

  async change(sql: string): Promise<number> {
    return await this.#call('change', { sql })
  }

  async rows(sql: string): Promise<ReadonlyArray<ReadonlyArray<string | null>>> {
    return await this.#call('rows', { sql })
  }

  async begin(): Promise<undefined> {
    await this.change('BEGIN IMMEDIATE')
    this.#violations = await this.#countViolations()
    this.#begun = true
    return undefined
  }

  /** All at once: see `putTriggersAside`. Nobody sees them gone: the transaction puts them back before it ends. */
  async silenceTriggers(): Promise<void> {
    if (this.#silenced) return
    this.#silenced = true
    await this.#call('putTriggersAside', {})
  }

  /** All are: SQLite checks none, see `openMerge`. */
  async deferReferences(): Promise<void> {}

  async addWhatFits({ insert, condition, rows }: Adding): Promise<boolean> {
    return (await this.change(`${insert} WHERE ${condition} ORDER BY b.n ON CONFLICT DO NOTHING`)) === rows
  }

  async highestNumber(table: TableDescription): Promise<bigint> {
    const there = await this.rows(`SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'`)
    if (there.length === 0) return 0n
    const [row] = await this.rows(`SELECT seq FROM main.sqlite_sequence WHERE name = ${quoteText(table.name)}`)
    return BigInt(row?.[0] ?? 0)
  }

  /** Those that were broken before may be so still. */
  async checkReferences(): Promise<void> {
    const found = await this.#countViolations()
    if (found <= this.#violations) return
    throw new AppError('target-invalid', `${found - this.#violations} references of merged rows lead nowhere`, {
      hint: 'Nothing was changed. This is a mistake of Lifeboat’s: please report it, with the schema and the merge rules.',
      context: { before: this.#violations, after: found },
    })
  }

  /** None where SQLite can't tell, because a foreign key names no table or no key. */
  async #countViolations(): Promise<number> {
    if (!this.tables.foreignKeysSound) return 0
    const [row] = await this.rows(`SELECT count(*) FROM pragma_foreign_key_check(NULL, 'main')`)
    return Number(row?.[0] ?? 0)
  }

  async renewIndexes(tables: readonly TableDescription[]): Promise<readonly string[]> {
    return await this.#call('renewIndexes', { changed: tables.map(table => table.name) })
  }

  /** SQLite looks for itself. */
  async advanceNumbers(): Promise<void> {}

  async commit(): Promise<void> {
    if (this.#silenced) await this.#call('putTriggersBack', {})
    await this.change('COMMIT')
    this.#begun = false
  }

  async rollback(): Promise<void> {
    await this.change('ROLLBACK')
    this.#begun = false
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // In good order where that is possible: the last connection to a database tidies up its write-ahead log.
    await this.#session.call('settle', {}).catch(() => {})
    await this.#session.close()
    if (this.#begun) await rollBackJournal(this.#files.target)
    await removeOwn(this.#files)
  }

  async #call<Name extends MergeCall>(
    name: Name,
    ask: SessionCalls[Name]['ask'],
  ): Promise<SessionCalls[Name]['answer']> {
    try {
      return await this.#session.call(name, ask)
    } catch (error) {
      throw mergeError(error, this.#files.target)
    }
  }
}

type MergeCall = 'openMerge' | 'putTriggersAside' | 'putTriggersBack' | 'renewIndexes' | 'change' | 'rows'

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const BUSY = 5
const READONLY = 8
const FULL = 13

function mergeError(error: unknown, path: string): unknown {
  if (!isFault(error)) return error
  const code = error instanceof SessionFault ? (error.fault.sqliteCode ?? 0) & 0xff : undefined
  const init = { cause: error, context: { path, sqliteCode: code } }
  if (code === BUSY) {
    return new AppError('target-in-use', `another program is writing to ${path}`, {
      ...init,
      hint: 'Stop the application, or run it again when the other program is done. Nothing was changed.',
    })
  }
  if (code === FULL) {
    return new AppError('target-full', `no space left to merge into ${path}`, {
      ...init,
      hint: 'Free space on the disks of the database and of Lifeboat’s state folder. Nothing was changed.',
    })
  }
  if (code === READONLY) {
    return new AppError('target-invalid', `database ${path} cannot be written`, {
      ...init,
      hint: 'Run as the user who owns the database, or give this user the right to write it and its folder.',
    })
  }
  return new AppError('target-invalid', `SQLite refuses it: ${messageOf(error)}`, {
    ...init,
    hint: `Run: sqlite3 ${path} "PRAGMA integrity_check". If it says ok, restore beside it with --to PATH and take the rows from there. Nothing was changed.`,
  })
}
