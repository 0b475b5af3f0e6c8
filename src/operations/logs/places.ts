import { join } from 'node:path'
import { AppError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { LogStore } from '../../repository/index.ts'
import type { LogFormat, Source, SourceLog } from '../../sources/source.ts'
import { repositoriesOf, requireSource } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { notePlace } from './note-place.ts'
import { LogSpool } from './spool.ts'

/** Which log is meant. */
export interface LogWish {
  /** Default: the only source with a log. */
  readonly source?: string | undefined
  /** Default: those of the source. */
  readonly repository?: string | undefined
}

export interface LogSource {
  readonly source: string
  readonly kind: string
  readonly format: LogFormat
}

/** The source that is meant and how its log is written. `usage` where there is none, or several. */
export async function getLogSource(workspace: Workspace, { source: named }: LogWish): Promise<LogSource> {
  const source = sourceName(workspace, named)
  const kind = workspace.settings.sources.get(source)?.kind ?? ''
  const format = workspace.hasLog(source) ? await workspace.logFormat(kind) : undefined
  if (format === undefined) throw hasNoLog(source, kind)
  return { source, kind, format }
}

/** The named source, or the only one that has a log. */
function sourceName(workspace: Workspace, named: string | undefined): string {
  const { sources, file = 'a lifeboat.yaml here' } = workspace.settings
  if (named !== undefined) {
    requireSource(workspace, named)
    return named
  }
  const names = [...sources.keys()].filter(name => workspace.hasLog(name))
  const [first] = names
  if (first === undefined) {
    throw new AppError('usage', `no source with a log is in ${file}`, {
      hint: 'Add one: "shop: { kind: postgres-cluster, url: ... }".',
    })
  }
  if (names.length === 1) return first
  throw new AppError('usage', 'there are several sources with a log', {
    hint: `Name one with --source: ${names.join(', ')}.`,
  })
}

export function requireLog({ name, kind, log }: Source): SourceLog {
  if (log) return log
  throw hasNoLog(name, kind)
}

function hasNoLog(source: string, kind: string): AppError {
  return new AppError('unsupported', `source ${source} (${kind}) has no log`, {
    hint: 'Name a source that has one, such as a PostgreSQL cluster ("kind: postgres-cluster").',
  })
}

/** Every repository that gets the log. A name that is none is told at once, what cannot be opened when they are asked for. */
export function storesOf(
  workspace: Workspace,
  source: string,
  { repository }: LogWish,
): () => Promise<readonly LogStore[]> {
  const names = repositoriesOf(workspace, source, repository)
  return async () => {
    const stores: LogStore[] = []
    for (const name of names) stores.push((await workspace.repository(name)).logs)
    return stores
  }
}

/** What is received or done ahead waits in the state folder, for each log in one of its own. */
export async function logFolder(workspace: Workspace): Promise<string> {
  return join(await workspace.stateFolder(), 'wal')
}

/** Undefined where it can't be told whether what is in it is what is asked for. */
export async function openSpool(
  workspace: Workspace,
  wish: LogWish,
  log: string | undefined,
  logger: Logger,
): Promise<LogSpool | undefined> {
  const { file } = workspace.settings
  if (log === undefined || file === undefined) return undefined
  // The configuration was read after this process began.
  const place = await notePlace(file, new Date(performance.timeOrigin), { ...wish, repo: wish.repository })
  if (place === undefined) return undefined
  try {
    return new LogSpool(await logFolder(workspace), log, place)
  } catch (error) {
    // It only saves time. The server's user may not write beside the configuration.
    logger.debug('nothing is done ahead', { reason: messageOf(error) })
    return undefined
  }
}
