import { DatabaseSync } from 'node:sqlite'
import type { ManifestFailure } from '../../model/manifest.ts'
import { checkConstraintsOf, quoteName, quoteText } from './schema-text.ts'

export type IntegrityCheck = 'integrity_check' | 'quick_check'

/** Up to this, a backup looks up each row of each index; it takes some 0.3 s, beside the reading. */
const FULL_CHECK_LIMIT_BYTES = 64 << 20
/** Up to this it looks at pages and rows. What is bigger is judged by `verify` and when it is restored. */
const QUICK_CHECK_LIMIT_BYTES = 512 << 20

/** How closely a backup looks at a database of this size. */
export function chooseCheck(sizeBytes: number): IntegrityCheck | undefined {
  if (sizeBytes <= FULL_CHECK_LIMIT_BYTES) return 'integrity_check'
  return sizeBytes <= QUICK_CHECK_LIMIT_BYTES ? 'quick_check' : undefined
}

/** Damage can make SQLite say the same of thousands of rows. */
const MAX_MESSAGES = 100
const MAX_MESSAGE_CHARS = 300

/**
 * What SQLite's own check finds, one failure for each kind and object. Where the schema needs functions or collations of the
 * application's own, SQLite can't check the whole database: then each table is checked as far as it can be.
 */
export function judgeDatabase(db: DatabaseSync, check: IntegrityCheck): ManifestFailure[] {
  try {
    return runCheck(db, check, String(MAX_MESSAGES))
  } catch (error) {
    if (isCorrupt(error)) return [failure('pages', '', messageOf(error))]
    if (!isUnevaluable(error)) throw error
    return listTables(db).flatMap(table => judgeTable(db, check, table))
  }
}

/** What only the application can check is no failure. */
export function isFailure({ kind }: ManifestFailure): boolean {
  return kind !== 'unevaluable'
}

/**
 * The same on a connection that only reads. There SQLite does not even parse CHECK constraints, so they are asked for as
 * conditions of queries.
 */
export function judgeReadOnly(db: DatabaseSync, check: IntegrityCheck): ManifestFailure[] {
  const rows = db.prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%check%'").all()
  const broken = rows.flatMap(({ name, sql }) => checkRows(db, String(name), checkConstraintsOf(String(sql))))
  const found = judgeDatabase(db, check)
  return [...found, ...broken.filter(({ kind, object }) => !found.some(f => f.kind === kind && f.object === object))]
}

function checkRows(db: DatabaseSync, table: string, checks: readonly string[]): ManifestFailure[] {
  for (const check of checks) {
    try {
      const row = db.prepare(`SELECT 1 FROM main.${quoteName(table)} WHERE NOT (${check}\n) LIMIT 1`).get()
      if (row !== undefined) return [failure('constraint', table, `CHECK constraint failed in ${table}`)]
    } catch (error) {
      // What can't be asked is not known to be broken; damage is found by the check of the pages.
      if (isUnevaluable(error)) return [failure('unevaluable', table, messageOf(error))]
      if (resultCodeOf(error) === undefined) throw error
    }
  }
  return []
}

/** A whole database file that is ours, so that it may be opened for writing: see `judgeReadOnly`. */
export function judgeFile(path: string, check: IntegrityCheck): ManifestFailure[] {
  const db = new DatabaseSync(path)
  try {
    return judgeDatabase(db, check)
  } finally {
    db.close()
  }
}

/** From the thorough to what needs no word of the schema; the first that SQLite can carry out counts. */
function judgeTable(db: DatabaseSync, check: IntegrityCheck, table: string): ManifestFailure[] {
  const name = quoteText(table)
  const steps = [
    () => runCheck(db, check, name),
    () => runCheck(db, 'quick_check', name),
    () => withoutCheckConstraints(db, () => runCheck(db, 'quick_check', name)),
    () => checkPages(db, table),
  ]
  let reason: string | undefined
  for (const step of steps) {
    try {
      const found = step()
      return reason === undefined ? found : [...found, failure('unevaluable', table, reason)]
    } catch (error) {
      if (isCorrupt(error)) return [failure('pages', table, messageOf(error))]
      if (!isUnevaluable(error)) throw error
      reason ??= messageOf(error)
    }
  }
  return [failure('unevaluable', table, reason ?? '')]
}

function runCheck(db: DatabaseSync, check: IntegrityCheck, argument: string): ManifestFailure[] {
  const rows = db.prepare(`PRAGMA ${check}(${argument})`).all()
  const messages = rows.map(row => String(row[check])).filter(message => message !== 'ok')
  const found = new Map<string, ManifestFailure>()
  for (const message of messages) {
    const each = classify(message)
    const key = `${each.kind} ${each.object}`
    if (!found.has(key)) found.set(key, each)
  }
  return [...found.values()]
}

function withoutCheckConstraints<T>(db: DatabaseSync, work: () => T): T {
  db.exec('PRAGMA ignore_check_constraints = ON')
  try {
    return work()
  } finally {
    db.exec('PRAGMA ignore_check_constraints = OFF')
  }
}

/** Walks the pages of a table, whatever its columns mean. */
function checkPages(db: DatabaseSync, table: string): ManifestFailure[] {
  const [row] = db
    .prepare("SELECT count(*) AS n FROM dbstat WHERE schema = 'main' AND name = ? AND pagetype = 'corrupted'")
    .all(table)
  const corrupted = Number(row?.['n'] ?? 0)
  return corrupted === 0 ? [] : [failure('pages', table, `${corrupted} corrupted pages`)]
}

function listTables(db: DatabaseSync): string[] {
  const rows = db.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name").all()
  return rows.map(row => String(row['name']))
}

/** The words of `PRAGMA integrity_check`, with the object that they name in the first group. */
const MESSAGES: ReadonlyArray<readonly [ManifestFailure['kind'], RegExp]> = [
  ['constraint', /^CHECK constraint failed in (.+)$/s],
  ['constraint', /^(?:NULL|NUMERIC|TEXT|non-\w+) value in (.+)\.[^.]+$/s],
  ['index', /^(?:row .* missing from|wrong # of entries in|non-unique entry in) index (.+)$/s],
  ['index', /^row .* values differ from index (.+)$/s],
  ['index', /^rowid not at end-of-record for row .* of index (.+)$/s],
  ['search-index', /^(?:malformed|unable to validate the) inverted index for FTS\d table (?:main\.)?(.+?)(?::.*)?$/s],
  ['search-index', /^fts5: .* table "(.+)"$/s],
  ['search-index', /^In RTree (?:main\.)?(.+?):/s],
]

function classify(message: string): ManifestFailure {
  for (const [kind, words] of MESSAGES) {
    const object = words.exec(message)?.[1]
    if (object !== undefined) return failure(kind, object, message)
  }
  return failure('pages', '', message)
}

function failure(kind: ManifestFailure['kind'], object: string, message: string): ManifestFailure {
  const short = message.replace(/^\*\*\* in database main \*\*\*\n/, '').slice(0, MAX_MESSAGE_CHARS)
  return { kind, object, message: short.replaceAll('\n', '; ') }
}

function resultCodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
}

/** SQLITE_ERROR: a function, a collation or a module is not here. @see https://www.sqlite.org/rescode.html */
export function isUnevaluable(error: unknown): error is Error {
  return resultCodeOf(error) === 1 && isMissingFromSqlite(messageOf(error))
}

export function isMissingFromSqlite(message: string): boolean {
  // A table WITHOUT ROWID whose key has an unknown collation can't be walked: no query has a solution.
  return /^(?:unknown|no such) function|^no such (?:collation sequence|module|tokenizer)|^no query solution/i.test(
    message,
  )
}

function isCorrupt(error: unknown): boolean {
  return resultCodeOf(error) === 11
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
