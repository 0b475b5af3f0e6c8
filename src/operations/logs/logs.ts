import { AppError } from '../../base/errors.ts'
import { silentLogger } from '../../base/logger.ts'
import { repositoriesOf } from '../workspace/names.ts'
import { type Caller, lookAround } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { fetchFile, type LogFetchOutcome } from './fetch.ts'
import { getLogSource, type LogWish, logFolder, openSpool, requireLog, storesOf } from './places.ts'
import { type LogPushResult, pushFile } from './push.ts'
import { type LogReceiveProgress, receiveFiles } from './receive.ts'
import { type LogStatus, readLogStatus } from './status.ts'

/** What a server asks for, which runs our commands for its log. Needs no folder of its own: it may not write to ours. */
export interface LogFileWish extends LogWish {
  /** Id of the log. Default: that of the server whose folder this is. */
  readonly log?: string | undefined
  /** Where the server runs the command; absolute. */
  readonly folder: string
}

/** Stores a finished file of a log in every repository of its source; durable in all when this resolves. */
export async function pushLogFile(
  workspace: Workspace,
  wish: LogFileWish & { /** Absolute. */ readonly path: string },
  { signal = new AbortController().signal, logger = silentLogger }: Caller,
): Promise<LogPushResult & { readonly source: string }> {
  const { source, ...owner } = await getLogSource(workspace, wish)
  const id = wish.log ?? (await owner.format.findLog(wish.folder))
  const pushed = await pushFile({
    ...owner,
    id,
    path: wish.path,
    openStores: storesOf(workspace, source, wish),
    spool: await openSpool(workspace, wish, id, logger),
    logger,
    signal,
  })
  return { source, ...pushed }
}

/** Brings a file of a log to where its server wants it. */
export async function fetchLogFile(
  workspace: Workspace,
  wish: LogFileWish & { readonly name: string /** Absolute. */; readonly destination: string },
  { signal = new AbortController().signal, logger = silentLogger }: Caller,
): Promise<{ readonly source: string; readonly name: string; readonly outcome: LogFetchOutcome }> {
  const { source, kind, format } = await getLogSource(workspace, wish)
  const id = wish.log ?? (await format.findLog(wish.folder))
  if (id === undefined) {
    const { log, logHint } = format.words
    throw new AppError('usage', `cannot tell which ${log} this is`, { hint: logHint })
  }
  const { name, destination } = wish
  const outcome = await fetchFile({
    format,
    log: { kind, id },
    name,
    destination,
    openStores: storesOf(workspace, source, wish),
    spool: await openSpool(workspace, wish, id, logger),
    clock: workspace.clock,
    logger,
    signal,
  })
  return { source, name, outcome }
}

export interface LogReceiveResult {
  readonly source: string
  readonly storedFiles: number
  /** Received, not stored yet. */
  readonly waitingFiles: number
  /** Name of the newest file that is stored. */
  readonly newest: string | undefined
}

/** Receives a source's log into its repositories until the caller's signal fires. */
export async function receiveLog(
  workspace: Workspace,
  wish: LogWish & {
    /** How often the unfinished file is stored. Default: five seconds. */
    readonly intervalMs?: number | undefined
    readonly onProgress?: ((progress: LogReceiveProgress, source: string) => void) | undefined
  },
  caller: Caller,
): Promise<LogReceiveResult> {
  const owner = await getLogSource(workspace, wish)
  const source = await workspace.source(owner.source)
  let last = { storedFiles: 0, waitingFiles: 0, newest: undefined as string | undefined }
  await lookAround(workspace, caller, async run =>
    receiveFiles({
      ...run,
      ...owner,
      log: requireLog(source),
      intervalMs: wish.intervalMs ?? 5000,
      stores: await storesOf(workspace, owner.source, wish)(),
      folder: await logFolder(workspace),
      onProgress: progress => {
        last = progress
        wish.onProgress?.(progress, owner.source)
      },
    }),
  )
  const { storedFiles, waitingFiles, newest } = last
  return { source: owner.source, storedFiles, waitingFiles, newest }
}

export interface NamedLogStatus extends LogStatus {
  readonly repository: string
}

/** What each repository of a source has of its log. */
export async function readLogStatuses(
  workspace: Workspace,
  wish: LogWish,
  caller: Caller,
): Promise<{ readonly source: string; readonly repositories: readonly NamedLogStatus[] }> {
  const { source: name } = await getLogSource(workspace, wish)
  const source = await workspace.source(name)
  const repositories = await lookAround(workspace, caller, async run => {
    const found: NamedLogStatus[] = []
    for (const repository of repositoriesOf(workspace, name, wish.repository)) {
      const opened = await workspace.repository(repository)
      found.push({ ...(await readLogStatus({ ...run, formats: workspace, repository: opened, source })), repository })
    }
    return found
  })
  return { source: name, repositories }
}
