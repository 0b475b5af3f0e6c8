import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from '../../../../base/child.ts'
import { quoteIdentifier, quoteLiteral, type Session, startTool } from '../../../../clients/postgres/index.ts'
import { runOverArchive } from '../archive/archives.ts'
import type { TocEntry } from '../archive/toc.ts'
import { fileName } from '../plan.ts'
import type { LoadRun } from './database-restore.ts'
import { addCheck, type Check, dropCheck, listChecks } from './mending-checks.ts'

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
  readonly notValid: ReadonlyArray<{ readonly check: Check; readonly problem: string }>
}

/** The rows of one table that pg_restore could not load: under the application's search path, then without CHECKs. */
export async function loadRows(rows: RowsToLoad): Promise<RowsLoaded> {
  const { entry, session, searchPath } = rows
  const first = await copyRows(rows, searchPath)
  if (first === undefined) return { failure: undefined, notValid: [] }
  const checks = await listChecks(session, entry)
  for (const each of checks) await dropCheck(session, each)
  const wider = `${quoteIdentifier(entry.schema ?? 'public')}, ${searchPath}`
  const second = checks.length === 0 ? first : await copyRows(rows, searchPath)
  const failure = second === undefined ? undefined : await copyRows(rows, wider)
  const notValid: Array<{ check: Check; problem: string }> = []
  for (const check of checks) {
    const problem = await addCheck(session, check, [searchPath, wider])
    if (problem !== undefined) notValid.push({ check, problem })
  }
  return { failure, notValid }
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
      pump(child, psql, searchPath),
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
    const said = first ? underPath(part, path) : part
    if (said.length > 0 && !(await psql.write(said))) throw new Refused()
    if (part.length < bytes) return
  }
}

/** The start of what pg_restore writes, with this search path instead of an empty one. */
export function underPath(bytes: Buffer, path: string): Buffer {
  const set = latin(`SELECT pg_catalog.set_config('search_path', ${quoteLiteral(path)}, false);`)
  return Buffer.from(
    bytes.toString('latin1').replace(EMPTY_PATH, () => set),
    'latin1',
  )
}

/** The bytes of a text, one a character: what is in no encoding that we know passes as it is. */
function latin(text: string): string {
  return Buffer.from(text).toString('latin1')
}
