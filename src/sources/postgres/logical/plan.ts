import { createHash } from 'node:crypto'
import { quoteName } from '../../../clients/postgres/index.ts'
import type { BackupType } from '../../../model/manifest.ts'
import type { PostgresOptions } from '../options.ts'
import type { DatabaseTable } from './capture/database-snapshot.ts'
import { filterArguments } from './tables/table-filter.ts'
import { toolTablePattern } from './tables/table-pattern.ts'

/** Roles and their grants. */
export const GLOBALS_FILE = 'globals.sql'
/** For a person without Lifeboat. */
export const NOTES_FILE = 'RESTORE.txt'

/** One file of a database: what pg_dump writes with these arguments. */
export interface PlannedArchive {
  /** Relative to the source's folder. */
  readonly path: string
  readonly args: readonly string[]
}

/** What a database becomes: its main archive, and one a big table where several connections read at once. */
export interface DatabasePlan {
  readonly main: PlannedArchive
  readonly schemaPath: string
  /** Folder of `parts`, if there are any. */
  readonly partsFolder: string
  readonly parts: readonly PlannedArchive[]
}

/** Below it a table is not worth an archive, and a pg_dump, of its own. */
const PART_BYTES = 32 * 1024 * 1024
const MAX_PARTS = 64

export function planDatabase(
  database: string,
  tables: readonly DatabaseTable[],
  type: BackupType,
  options: PostgresOptions,
): DatabasePlan {
  const stem = fileName(database)
  const partsFolder = `${stem}.data`
  const big = options.jobs > 1 && type !== 'schema' ? bigTables(tables, options) : []
  const parts = big.map(table => ({
    path: `${partsFolder}/${fileName(table.schema, true)}.${fileName(table.name, true)}.dump`,
    args: ['--data-only', '--strict-names', '--table', quoteName(table.schema, table.name)],
  }))
  const only = type === 'schema' ? ['--schema-only'] : type === 'data' ? ['--data-only'] : []
  const args = [
    ...only,
    ...filterArguments(options),
    ...options.excludeTableData.flatMap(pattern => ['--exclude-table-data', toolTablePattern(pattern)]),
    ...big.flatMap(table => ['--exclude-table-data', quoteName(table.schema, table.name)]),
  ]
  return { main: { path: `${stem}.dump`, args }, schemaPath: `${stem}.schema.sql`, partsFolder, parts }
}

function bigTables(tables: readonly DatabaseTable[], options: PostgresOptions): DatabaseTable[] {
  if (options.excludeTableData.length > 0) return []
  return tables
    .filter(table => !table.partitioned && table.sizeBytes >= PART_BYTES)
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, MAX_PARTS)
}

const MAX_NAME_CHARS = 100

/** A name as a file's: letters, digits, '_' and '-' as they are, '.' too unless it separates; the rest as `%2F`. */
export function fileName(name: string, escapeDots = false): string {
  let out = ''
  for (const char of name) {
    const plain = /[\p{L}\p{N}_-]/u.test(char) || (char === '.' && !escapeDots && out !== '')
    out += plain ? char : percent(char)
  }
  if (out.length <= MAX_NAME_CHARS) return out
  return `${out.slice(0, MAX_NAME_CHARS - 17)}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}

function percent(char: string): string {
  return [...Buffer.from(char)].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
