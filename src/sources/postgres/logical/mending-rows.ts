import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from '../../../base/child.ts'
import { AppError } from '../../../base/errors.ts'
import {
  quoteIdentifier,
  quoteLiteral,
  quoteName,
  type Session,
  serverWords,
  startTool,
} from '../../../clients/postgres/index.ts'
import { runOverArchive } from './archives.ts'
import type { LoadRun } from './database-restore.ts'
import { fileName } from './plan.ts'
import { setSearchPath } from './search-path.ts'
import type { TocEntry } from './toc.ts'

interface RowsToLoad {
  readonly run: LoadRun
  readonly session: Session
  readonly path: string
  readonly entry: TocEntry
  readonly searchPath: string
}

interface RowsLoaded {
  /** Why there are none; undefined where all came back. */
  readonly failure: string | undefined
  /** CHECKs that the rows break. */
  readonly notValid: ReadonlyArray<{ readonly name: string; readonly table: string; readonly problem: string }>
}

/** The rows of one table that pg_restore could not load: under the application's search path, then without CHECKs. */
export async function loadRows(rows: RowsToLoad): Promise<RowsLoaded> {
  const { entry, session, searchPath } = rows
  const first = await copyRows(rows, searchPath)
  if (first === undefined) return { failure: undefined, notValid: [] }
  const checks = await listChecks(session, entry)
  for (const { table, name } of checks) await session.query(`ALTER ${table} DROP CONSTRAINT ${quoteIdentifier(name)}`)
  const wider = `${quoteIdentifier(entry.schema ?? 'public')}, ${searchPath}`
  const second = checks.length === 0 ? first : await copyRows(rows, searchPath)
  const failure = second === undefined ? undefined : await copyRows(rows, wider)
  const notValid: Array<{ name: string; table: string; problem: string }> = []
  for (const check of checks) {
    const problem = await addCheck(session, check, [searchPath, wider])
    if (problem !== undefined) notValid.push({ name: check.name, table: check.table, problem })
  }
  return { failure, notValid }
}

interface Check {
  /** `TABLE ONLY public.post`, `DOMAIN public.mail`. */
  readonly table: string
  readonly name: string
  readonly definition: string
}

/** Of the table, the tables it inherits them from, and the domains of its columns. */
const CHECKS = `
WITH RECURSIVE line AS (
  SELECT $1::regclass::oid AS rel UNION SELECT i.inhparent FROM line JOIN pg_inherits i ON i.inhrelid = line.rel),
types AS (
  SELECT a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
  UNION SELECT t.typbasetype FROM types JOIN pg_type t ON t.oid = types.type AND t.typtype = 'd')
SELECT CASE WHEN c.conrelid <> 0 THEN 'TABLE ' || c.conrelid::regclass ELSE 'DOMAIN ' || c.contypid::regtype END AS table,
  c.conname AS name, pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c WHERE c.contype = 'c' AND c.coninhcount = 0
  AND (c.conrelid IN (SELECT rel FROM line) OR c.contypid IN (SELECT type FROM types)) ORDER BY c.oid`

async function listChecks(session: Session, { schema = 'public', tag }: TocEntry): Promise<Check[]> {
  return await session.query<Check & Record<string, unknown>>(CHECKS, [quoteName(schema, tag)])
}

/** As it was where the rows keep to it; else NOT VALID, with why. */
async function addCheck(
  session: Session,
  { table, name, definition }: Check,
  paths: readonly string[],
): Promise<string | undefined> {
  const add = `ALTER ${table} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`
  let problem: string | undefined
  for (const path of paths) {
    const error = await under(session, path, add)
    if (error === undefined) return undefined
    problem ??= serverWords(error)
  }
  const error = await under(session, paths[0] ?? '', `${add.replace(/ NOT VALID$/, '')} NOT VALID`)
  if (error) throw error
  return problem
}

async function under(session: Session, path: string, sql: string): Promise<AppError | undefined> {
  try {
    await session.query('BEGIN')
    await setSearchPath(session, path)
    await session.query(sql)
    await session.query('COMMIT')
    return undefined
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted' || session.broken) throw error
    await session.query('ROLLBACK')
    return error
  }
}

const HEAD_BYTES = 64 * 1024
const PUMP_BYTES = 256 * 1024
const EMPTY_PATH = /^SELECT pg_catalog\.set_config\('search_path', '', false\);$/m

/** All of the table's rows, or none: what the server said then. */
async function copyRows({ run, path, entry }: RowsToLoad, searchPath: string): Promise<string | undefined> {
  const { tools, request, archives, target } = run
  const list = join(request.scratchDir, `rows-${fileName(target)}`)
  await writeFile(list, `${entry.id};\n`, { mode: 0o600 })
  const psql = await startTool(tools, {
    tool: 'psql',
    args: ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1', '--output=/dev/null', '--file=-'],
    settings: { ...run.settings, database: run.into, options: run.options },
    stdin: 'pipe',
    signal: request.signal,
  })
  const restore = { args: [`--use-list=${list}`, '--file=-', ...run.more], settings: undefined, signal: request.signal }
  try {
    await runOverArchive(tools, restore, archives.read(path), `restore ${target}`, child =>
      pump(child, psql, `SELECT pg_catalog.set_config('search_path', ${quoteLiteral(searchPath)}, false);`),
    )
  } catch (error) {
    if (!(error instanceof Refused)) {
      await psql.stop()
      throw error
    }
  }
  psql.endInput()
  const exit = await psql.wait()
  if (exit.code === 0) return undefined
  return /(?:ERROR|FATAL|[A-Z]{4,}):\s+(.*)/.exec(psql.stderr)?.[1] ?? psql.stderr.trim().split('\n')[0] ?? 'no message'
}

/** psql ended before it was told all. */
class Refused extends Error {}

/** Only what stands before the rows is looked at. */
async function pump(from: Child, psql: Child, path: string): Promise<void> {
  for (let bytes = HEAD_BYTES, first = true; ; bytes = PUMP_BYTES, first = false) {
    const buffer = Buffer.alloc(bytes)
    const part = buffer.subarray(0, await from.read(buffer))
    const said = first
      ? Buffer.from(
          part.toString('latin1').replace(EMPTY_PATH, () => latin(path)),
          'latin1',
        )
      : part
    if (said.length > 0 && !(await psql.write(said))) throw new Refused()
    if (part.length < bytes) return
  }
}

/** The bytes of a text, one a character: what is in no encoding that we know passes as it is. */
function latin(text: string): string {
  return Buffer.from(text).toString('latin1')
}
