import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachLimit } from '../../../../base/concurrency.ts'
import { isAppError } from '../../../../base/errors.ts'
import { databaseArgument, runTool, toolError } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { runOverArchive } from '../archive/archives.ts'
import { fileName } from '../plan.ts'
import type { LoadRun } from './database-restore.ts'
import { Mending } from './mending.ts'
import { type EntryFailure, RestoreLog } from './restore-log.ts'

/** What pg_restore brings back: an archive that streams in, or one that lies in a file for several connections. */
interface Part {
  readonly path: string
  readonly file?: string | undefined
}

/**
 * Archives into a database that is there. pg_restore goes on after an error; what it could not bring back is then tried
 * under the search path of the database, or without what its own rows do not keep to. Rows come before keys and indexes,
 * and all rows are there before the first of those is made. Throws where rows or their tables do not come back.
 */
export async function loadArchives(run: LoadRun): Promise<Finding[]> {
  return await withMending(run, async mending => {
    const [main = ''] = run.database.archives
    if (run.type === 'schema') await mending.mend(main, await load(run, { path: main }, ['--schema-only']))
    else await loadFrom(run, mending, 'all')
  })
}

/** As `loadArchives`, without keys, indexes and all else that is made after the rows. */
export async function loadRowsOnly(run: LoadRun): Promise<Finding[]> {
  return await withMending(run, mending => loadFrom(run, mending, 'rows'))
}

/** One section of the main archive, which holds no rows. */
export async function loadSection(run: LoadRun, mending: Mending, section: string): Promise<void> {
  const [main = ''] = run.database.archives
  await mending.mend(main, await load(run, { path: main }, [`--section=${section}`]))
}

export async function withMending(run: LoadRun, work: (mending: Mending) => Promise<void>): Promise<Finding[]> {
  const mending = new Mending(run)
  try {
    await work(mending)
    return mending.findings
  } finally {
    await mending.close()
  }
}

/** Several connections can only read what lies in a file. */
async function loadFrom(run: LoadRun, mending: Mending, what: 'all' | 'rows'): Promise<void> {
  const [main = '', ...parts] = run.database.archives
  if (run.jobs === 1) {
    const streamed = parts.map(path => ({ path }))
    return await loadParts(run, mending, { main: { path: main }, parts: streamed, more: [], what })
  }
  const dir = join(run.request.scratchDir, `restore-${fileName(run.target)}`)
  try {
    const [mainFile, ...files] = await run.archives.spool([main, ...parts], dir)
    const spooled = parts.map((path, at) => ({ path, file: files[at] }))
    const more = [`--jobs=${run.jobs}`]
    await loadParts(run, mending, { main: { path: main, file: mainFile }, parts: spooled, more, what })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

interface Load {
  readonly main: Part
  readonly parts: readonly Part[]
  readonly more: readonly string[]
  readonly what: 'all' | 'rows'
}

async function loadParts(run: LoadRun, mending: Mending, { main, parts, more, what }: Load): Promise<void> {
  await mending.mend(main.path, await load(run, main, ['--section=pre-data', '--section=data', ...more]))
  const failed: Array<{ path: string; failures: EntryFailure[] }> = []
  await forEachLimit(parts, run.jobs, async part => {
    failed.push({ path: part.path, failures: await load(run, part, ['--data-only']) })
  })
  for (const { path, failures } of failed) await mending.mend(path, failures)
  if (what === 'rows') return
  await mending.mend(main.path, await load(run, main, ['--section=post-data', ...more]))
}

const EXIT_1 = { code: 1, killedBy: undefined }

/** The entries that could not be brought back. Throws for any other failure. */
async function load(run: LoadRun, { path, file }: Part, args: readonly string[]): Promise<EntryFailure[]> {
  const log = new RestoreLog(args.some(arg => arg.startsWith('--jobs=')))
  const request = loadRequest(run, file === undefined ? args : [...args, file])
  const logged = { ...request, onStderrLine: (line: string) => log.add(line) }
  const doing = `restore ${run.target}`
  try {
    if (file === undefined) await runOverArchive(run.tools, logged, run.archives.read(path), doing)
    else await runTool(run.tools, { ...logged, tool: 'pg_restore' }, doing)
    return []
  } catch (error) {
    if (isAppError(error, 'interrupted') || isAppError(error, 'damaged')) throw error
    if (log.failures !== undefined) return log.failures
    // Of all that it went on to say only the end is left in the error.
    throw log.first === undefined ? error : toolError('pg_restore', log.first, EXIT_1, request.settings, doing)
  }
}

function loadRequest({ settings, into, request, more, options }: LoadRun, args: readonly string[]) {
  return {
    args: ['--verbose', '--no-password', '--dbname', databaseArgument(into), ...more, ...args],
    settings: { ...settings, database: into, options },
    database: into,
    signal: request.signal,
  }
}
