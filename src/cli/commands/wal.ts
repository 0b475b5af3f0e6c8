import { join, resolve } from 'node:path'
import type { App } from '../../app.ts'
import { AppError, isAppError, messageOf } from '../../base/errors.ts'
import type { WalSpool } from '../../operations/wal/spool.ts'
import { repositoriesOf, requireSource } from '../../operations/workspace/names.ts'
import { lookAround } from '../../operations/workspace/run.ts'
import type { WalStore } from '../../repository/index.ts'
import type { Source } from '../../sources/source.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { repoOf } from '../selection.ts'

const SOURCE: OptionSpec = {
  flags: '--source <name>',
  summary: 'the physical postgres source, if there are several',
  complete: 'sources',
}

const SYSTEM: OptionSpec = {
  flags: '--system <id>',
  summary: 'system identifier of the cluster (default: that of the current data directory)',
}

export const walPush: Command = {
  name: 'wal push',
  summary: 'archive a WAL file, as archive_command',
  description: [
    'Exits with 0 only when the file is durable in every repository of the source. Pushing the same file again is fine; a different file of the same name is refused. Nothing is overwritten. Waiting files are stored ahead, two at a time.',
    'PostgreSQL runs this in its data directory, so give the configuration with --config.',
  ],
  arguments: [{ name: 'path', summary: 'the file: %p', required: true }],
  options: [SOURCE, SYSTEM],
  examples: [
    {
      command: `archive_command = 'lifeboat --config /etc/lifeboat.yaml wal push %p'`,
      explains: 'in postgresql.conf',
    },
  ],
  run: async call =>
    await likeArchiver(async () => {
      const { pushWal } = await import('../../operations/wal/push.ts')
      const { app, source, systemIdentifier } = await openWal(call)
      const result = await pushWal({
        openStores: storesOf(call, app, source),
        logger: call.logger,
        signal: call.signal,
        systemIdentifier,
        path: resolve(call.values.required('path')),
        spool: await openSpool(call, app, systemIdentifier),
      })
      return { json: { source, ...result }, text: '' }
    }),
}

export const walFetch: Command = {
  name: 'wal fetch',
  summary: 'fetch an archived WAL file, as restore_command',
  description: [
    'Exits with 1 if there is no such file: this is how PostgreSQL learns where the log ends. Fetches the following segments ahead. If the last segment is unfinished, fetches what was received of it.',
  ],
  arguments: [
    { name: 'file', summary: 'name of the file: %f', required: true },
    { name: 'path', summary: 'where to put it: %p', required: true },
  ],
  options: [SOURCE, SYSTEM],
  examples: [
    {
      command: `restore_command = 'lifeboat --config /etc/lifeboat.yaml wal fetch %f %p'`,
      explains: 'in postgresql.conf; "lifeboat restore --at" writes it',
    },
  ],
  run: async call =>
    await likeArchiver(async () => {
      const { fetchWal } = await import('../../operations/wal/fetch.ts')
      const { app, source, systemIdentifier } = await openWal(call)
      if (systemIdentifier === undefined) throw unknownCluster()
      const { clock, logger, signal } = call
      const name = call.values.required('file')
      const outcome = await fetchWal({
        openStores: storesOf(call, app, source),
        clock,
        logger,
        signal,
        systemIdentifier,
        name,
        destination: resolve(call.values.required('path')),
        spool: await openSpool(call, app, systemIdentifier),
      })
      if (outcome === 'missing') call.logger.info(`${name} is not in the archive`)
      return { json: { source, name, outcome }, text: '', exitCode: outcome === 'fetched' ? 0 : 1 }
    }),
}

export const walReceive: Command = {
  name: 'wal receive',
  summary: 'stream the WAL of a PostgreSQL cluster into the repository, until stopped',
  description: [
    'Runs pg_receivewal on a replication slot, which it creates, and restarts it if it fails. Stores what it receives in every repository of the source, including the unfinished segment every few seconds. While a repository is unreachable, the log waits in the state folder.',
  ],
  arguments: [{ name: 'source', summary: 'a physical postgres source', complete: 'sources' }],
  options: [{ flags: '--interval <duration>', summary: 'how often to store the unfinished segment (default: 5s)' }],
  examples: [{ command: 'lifeboat wal receive shop', explains: 'under systemd or another supervisor' }],
  run: async call => {
    const { receiveWal } = await import('../../operations/wal/receive.ts')
    const app = await call.openApp()
    const name = sourceName(call, app, call.values.text('source'))
    const source = await app.source(name)
    const intervalMs = call.values.durationMs('interval', '--interval') ?? 5000
    let last = { storedFiles: 0, waitingFiles: 0, newest: undefined as string | undefined }
    await lookAround(app, call.caller, async run =>
      receiveWal({
        ...run,
        source: name,
        log: requireLog(source),
        intervalMs,
        stores: await storesOf(call, app, name)(),
        folder: join(await app.stateFolder(), 'wal'),
        onProgress: progress => {
          last = progress
          const waiting = progress.waitingFiles === 0 ? [] : [`${progress.waitingFiles} waiting`]
          call.progress.update({
            label: `receive ${name}`,
            done: progress.storedFiles,
            total: undefined,
            unit: 'items',
            details: [progress.newest ?? 'nothing stored yet', ...waiting],
          })
        },
      }),
    )
    const { storedFiles, waitingFiles, newest } = last
    return {
      json: { source: name, storedFiles, waitingFiles, newest: newest ?? null },
      text: `Stopped; ${storedFiles} files stored${waitingFiles > 0 ? `, ${waitingFiles} waiting` : ''}.\n`,
    }
  },
}

// ---- what they share

interface OpenedWal {
  readonly app: App
  readonly source: string
  readonly systemIdentifier: string | undefined
}

async function openWal(call: Call): Promise<OpenedWal> {
  const { findSystemIdentifier } = await import('../../operations/wal/wal-file.ts')
  const app = await call.openApp()
  const source = sourceName(call, app, call.values.text('source'))
  const systemIdentifier = call.values.text('system') ?? (await findSystemIdentifier(process.cwd()))
  return { app, source, systemIdentifier }
}

/** The named source, or the only one that has a log. */
export function sourceName(call: Call, app: App, named: string | undefined): string {
  if (named !== undefined) {
    requireSource(app, named)
    return named
  }
  const names = [...app.config.sources.keys()].filter(name => app.hasLog(name))
  const [first] = names
  if (names.length === 1 && first !== undefined) return first
  throw new AppError(
    'usage',
    names.length === 0
      ? `no physical postgres source is in ${app.config.file ?? 'a lifeboat.yaml here'}`
      : 'there are several physical postgres sources',
    {
      hint:
        names.length === 0
          ? 'Add one: "shop: { kind: postgres, mode: physical, url: ... }".'
          : `Name one with --source: ${names.join(', ')}.`,
    },
  )
}

export function requireLog(source: Source): NonNullable<Source['log']> {
  if (source.log) return source.log
  throw new AppError('unsupported', `source ${source.name} (${source.kind}) has no log that could be received`, {
    hint: 'It needs "mode: physical".',
  })
}

function storesOf(call: Call, app: App, source: string): () => Promise<readonly WalStore[]> {
  const names = repositoriesOf(app, source, repoOf(call))
  return async () => {
    const stores: WalStore[] = []
    for (const name of names) stores.push((await app.repository(name)).wal)
    return stores
  }
}

/** Undefined where it can't be told whether what is in it is what is asked for. */
async function openSpool(call: Call, app: App, systemIdentifier: string | undefined): Promise<WalSpool | undefined> {
  if (systemIdentifier === undefined) return undefined
  const { notePlace } = await import('../../operations/wal/note-place.ts')
  const { WalSpool } = await import('../../operations/wal/spool.ts')
  const asked = { source: call.values.text('source'), repo: call.values.text('repo') }
  if (app.config.file === undefined) return undefined
  const place = await notePlace(app.config.file, new Date(performance.timeOrigin), asked)
  if (place === undefined) return undefined
  try {
    return new WalSpool(join(await app.stateFolder(), 'wal'), systemIdentifier, place)
  } catch (error) {
    // It only saves time. The server's user may not write beside the configuration.
    call.logger.debug('nothing is done ahead', { reason: messageOf(error) })
    return undefined
  }
}

function unknownCluster(): AppError {
  return new AppError('usage', 'cannot tell which cluster this is', {
    hint: 'Run it in the data directory, as PostgreSQL runs restore_command, or name the cluster with --system.',
  })
}

/**
 * PostgreSQL takes an exit code above 125 as a reason to stop altogether, and being told to stop as no fault of the
 * command.
 */
async function likeArchiver<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isAppError(error, 'interrupted')) throw error
    throw new AppError('failed', error.message, { cause: error })
  }
}
