import { constants, type DatabaseSync } from 'node:sqlite'

/**
 * What keeps a statement of anybody's in the one file that it is run on. The connection can't write, which stops what would
 * change the file; but `ATTACH` and `VACUUM INTO` reach other files even so. So only statements that begin as reading ones
 * are run, and none of those can name a file: SQLite has no such function but `load_extension`, which is off.
 */

/** That tell something and set nothing, with or without an argument. */
const READING_PRAGMAS = new Set([
  'collation_list',
  'compile_options',
  'data_version',
  'encoding',
  'foreign_key_check',
  'foreign_key_list',
  'freelist_count',
  'function_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'integrity_check',
  'module_list',
  'page_count',
  'pragma_list',
  'quick_check',
  'table_info',
  'table_list',
  'table_xinfo',
])

/** That tell something as long as they have no argument. */
const SETTING_PRAGMAS = new Set(['application_id', 'page_size', 'schema_version', 'user_version'])

/** Actions that no reading statement needs. Search indexes prepare to write to their own tables, which is not in here. */
const DENIED: ReadonlySet<number> = new Set([
  constants.SQLITE_ALTER_TABLE,
  constants.SQLITE_ANALYZE,
  constants.SQLITE_ATTACH,
  constants.SQLITE_DETACH,
  constants.SQLITE_REINDEX,
  constants.SQLITE_SAVEPOINT,
  constants.SQLITE_TRANSACTION,
])

/** The second wall: SQLite itself asks before it compiles anything, where this Node can be asked (24.10 and later). */
export function confine(db: DatabaseSync): void {
  const { setAuthorizer } = db as Partial<Pick<DatabaseSync, 'setAuthorizer'>>
  setAuthorizer?.call(db, (action, first, second) => {
    const denied =
      DENIED.has(action) ||
      (action === constants.SQLITE_FUNCTION && second === 'load_extension') ||
      (action === constants.SQLITE_PRAGMA && !isReadingPragma(first ?? '', second !== null))
    return denied ? constants.SQLITE_DENY : constants.SQLITE_OK
  })
}

/** SQLITE_AUTH: the second wall said no. */
const AUTH = 23

export function isDenied(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === AUTH
}

/** Why a statement is not run; undefined for one that reads. `first`: what SQLite took of the text as the statement. */
export function refusalOf(sql: string, first: string): string | undefined {
  if (skipBlanks(sql, first.length) < sql.length) return 'there is more than one statement: ask one at a time'
  const text = sql.slice(skipBlanks(sql, 0))
  const word = /^[a-z]+/i.exec(text)?.[0].toUpperCase()
  if (word === 'PRAGMA') {
    const [, name = '', argument] = /^pragma\s+(?:\w+\s*\.\s*)?(\w+)\s*([=(]?)/i.exec(text) ?? []
    if (isReadingPragma(name, argument !== '')) return undefined
    return `PRAGMA ${name} is not one that only reads`
  }
  if (word !== undefined && ['SELECT', 'WITH', 'VALUES', 'EXPLAIN'].includes(word)) return undefined
  return 'only statements that read are run: SELECT, WITH, VALUES, EXPLAIN'
}

export function isBlank(sql: string): boolean {
  return skipBlanks(sql, 0) === sql.length
}

function isReadingPragma(given: string, hasArgument: boolean): boolean {
  const name = given.toLowerCase()
  return READING_PRAGMAS.has(name) || (!hasArgument && SETTING_PRAGMAS.has(name))
}

/** Where what means something begins, from `at` on. */
function skipBlanks(sql: string, at: number): number {
  const blank = /[\s;]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y
  for (let end = at; ; end = blank.lastIndex) {
    blank.lastIndex = end
    if (!blank.test(sql)) return end
  }
}
