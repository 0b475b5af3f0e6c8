import { AppError } from '../../../../base/errors.ts'
import { quoteName, startTool } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { readToc, type TocEntry } from '../archive/toc.ts'
import type { DatabaseRestore } from '../restore/database-restore.ts'
import { encodingArguments } from '../sql-text.ts'
import { displayName, type TableName, toolTablePattern } from './table-pattern.ts'
import { objectKey } from './table-selection.ts'

const TABLES: ReadonlySet<string> = new Set(['TABLE'])
/** More would not fit into a command; then all are read. */
const MOST_NAMED = 200

/** A table that is there keeps its shape: what its own statement said of defaults and constraints, and is gone, is told. */
export async function shapeFindings(restore: DatabaseRestore, there: readonly TableName[]): Promise<Finding[]> {
  const { archives, database, request, tools, target } = restore
  // Another version may write the same in other words.
  if (there.length === 0 || request.snapshot.manifest?.database?.properties['pgDumpVersion'] !== tools.version)
    return []
  const [main = ''] = database.archives
  const captured = definitions(await readToc(archives.read(main), TABLES))
  const now = await readNow(restore, there)
  return there.flatMap(table => {
    const key = objectKey('TABLE', table.schema, table.name)
    const [then, present] = [captured.get(key), now.get(key)]
    const missing = then === undefined || present === undefined ? [] : lostClauses(then, present)
    if (missing.length === 0) return []
    const statements = missing.map(clause => `ALTER TABLE ${quoteName(table.schema, table.name)} ${clause};`)
    return [
      {
        severity: 'warning' as const,
        code: 'table-shape-kept',
        subject: `table ${displayName(table)} of database ${target}`,
        message: `it lacks what it had when it was captured: ${missing.join('; ')}`,
        hint: `Where it should have that again, run in ${target}: ${statements.join(' ')}`,
      },
    ]
  })
}

function definitions(toc: readonly TocEntry[]): Map<string, string> {
  return new Map(
    toc.flatMap(({ kind, schema, tag, definition }) =>
      kind === 'TABLE' && definition !== undefined ? [[objectKey(kind, schema, tag), definition] as const] : [],
    ),
  )
}

/** Empty where it can't be read: then nothing is told. */
async function readNow(
  { tools, settings, target, request, database, lockTimeoutSeconds }: DatabaseRestore,
  there: readonly TableName[],
): Promise<Map<string, string>> {
  const named = there.length > MOST_NAMED ? [] : there.map(table => `--table=${toolTablePattern(displayName(table))}`)
  const child = await startTool(tools, {
    tool: 'pg_dump',
    args: [
      '--format=custom',
      '--schema-only',
      '--no-password',
      `--lock-wait-timeout=${lockTimeoutSeconds * 1000}`,
      ...encodingArguments(database.encoding),
      ...named,
    ],
    settings: { ...settings, database: target },
    signal: request.signal,
  })
  try {
    return definitions(await readToc(partsOf(child), TABLES))
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted') throw error
    return new Map()
  } finally {
    await child.stop()
  }
}

const READ_BYTES = 64 * 1024

async function* partsOf(child: { read(into: Uint8Array): Promise<number> }): AsyncGenerator<Buffer> {
  for (;;) {
    const buffer = Buffer.alloc(READ_BYTES)
    const count = await child.read(buffer)
    if (count > 0) yield buffer.subarray(0, count)
    if (count < buffer.length) return
  }
}

/** Pure: what the first statement says of defaults and constraints and the second does not, as `ALTER TABLE` adds it. */
export function lostClauses(captured: string, now: string): string[] {
  const there = new Set(clauses(now))
  return clauses(captured).filter(clause => !there.has(clause))
}

const COLUMN = /^("(?:[^"]|"")+"|\w+) .*?(?: DEFAULT (.*?))?( NOT NULL)?$/

/** pg_dump writes each column, and each constraint, on a line of its own. */
function clauses(statement: string): string[] {
  const lines = statement.split('\n').flatMap(line => (line.startsWith('    ') ? [line.trim().replace(/,$/, '')] : []))
  return lines.flatMap(line => {
    if (line.startsWith('CONSTRAINT ')) return [`ADD ${line}`]
    const [, name = '', value, notNull] = COLUMN.exec(line) ?? []
    return [
      ...(value === undefined ? [] : [`ALTER COLUMN ${name} SET DEFAULT ${value}`]),
      ...(notNull === undefined ? [] : [`ALTER COLUMN ${name} SET NOT NULL`]),
    ]
  })
}
