import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachLimit } from '../../../base/concurrency.ts'
import { isAppError } from '../../../base/errors.ts'
import { databaseArgument, runTool, toolError } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import { runOverArchive } from './archives.ts'
import type { LoadRun } from './database-restore.ts'
import { Mending } from './mending.ts'
import { fileName } from './plan.ts'
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
  const [main = '', ...parts] = run.database.archives
  const mending = new Mending(run)
  try {
    if (run.type === 'schema') {
      await mending.mend(main, await load(run, { path: main }, ['--schema-only']))
    } else if (run.jobs === 1) {
      await loadAll(
        run,
        mending,
        { path: main },
        parts.map(path => ({ path })),
        [],
      )
    } else {
      await loadSpooled(run, mending, main, parts)
    }
  } finally {
    await mending.close()
  }
  return mending.findings
}

async function loadSpooled(run: LoadRun, mending: Mending, main: string, parts: readonly string[]): Promise<void> {
  const dir = join(run.request.scratchDir, `restore-${fileName(run.target)}`)
  try {
    const [mainFile = '', ...files] = await run.archives.spool([main, ...parts], dir)
    const spooled = parts.map((path, at) => ({ path, file: files[at] }))
    await loadAll(run, mending, { path: main, file: mainFile }, spooled, [`--jobs=${run.jobs}`])
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function loadAll(
  run: LoadRun,
  mending: Mending,
  main: Part,
  parts: readonly Part[],
  more: readonly string[],
): Promise<void> {
  await mending.mend(main.path, await load(run, main, ['--section=pre-data', '--section=data', ...more]))
  const failed: Array<{ path: string; failures: EntryFailure[] }> = []
  await forEachLimit(parts, run.jobs, async part => {
    failed.push({ path: part.path, failures: await load(run, part, ['--data-only']) })
  })
  for (const { path, failures } of failed) await mending.mend(path, failures)
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

/** One archive, to its end or the first error. */
export async function streamArchive(run: LoadRun, path: string, args: readonly string[]): Promise<void> {
  const request = loadRequest(run, ['--exit-on-error', ...args])
  await runOverArchive(run.tools, request, run.archives.read(path), `restore ${run.target}`)
}

function loadRequest({ settings, into, request, more, options }: LoadRun, args: readonly string[]) {
  return {
    args: ['--verbose', '--no-password', '--dbname', databaseArgument(into), ...more, ...args],
    settings: { ...settings, database: into, options },
    database: into,
    signal: request.signal,
  }
}
