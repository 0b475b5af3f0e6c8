import { resolve } from 'node:path'
import { AppError, isAppError } from '../../base/errors.ts'
import type { LogFileWish } from '../../operations/logs/logs.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { walReceiveJson } from '../../outputs/wal.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { repoOf } from '../selection.ts'

const SOURCE: OptionSpec = {
  flags: '--source <name>',
  summary: 'the source, if several have a log',
  complete: 'sources',
}

const SYSTEM: OptionSpec = {
  flags: '--system <id>',
  summary: 'system identifier of the cluster (default: that of the current data directory)',
}

export const walPush: Command<Printed<'wal push'>> = {
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
      const { pushLogFile } = await import('../../operations/logs/logs.ts')
      const path = resolve(call.values.required('path'))
      const json = await pushLogFile(await call.openApp(), { ...wishOf(call), path }, call.caller)
      return { json, text: '' }
    }),
}

export const walFetch: Command<Printed<'wal fetch'>> = {
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
      const { fetchLogFile } = await import('../../operations/logs/logs.ts')
      const wanted = { name: call.values.required('file'), destination: resolve(call.values.required('path')) }
      const json = await fetchLogFile(await call.openApp(), { ...wishOf(call), ...wanted }, call.caller)
      if (json.outcome === 'missing') call.logger.info(`${json.name} is not in the archive`)
      return { json, text: '', exitCode: json.outcome === 'fetched' ? 0 : 1 }
    }),
}

export const walReceive: Command<Printed<'wal receive'>> = {
  name: 'wal receive',
  summary: 'stream the WAL of a PostgreSQL cluster into the repository, until stopped',
  description: [
    'Runs pg_receivewal on a replication slot, which it creates, and restarts it if it fails. Stores what it receives in every repository of the source, including the unfinished segment every few seconds. While a repository is unreachable, the log waits in the state folder.',
  ],
  arguments: [{ name: 'source', summary: 'a source with a log', complete: 'sources' }],
  options: [{ flags: '--interval <duration>', summary: 'how often to store the unfinished segment (default: 5s)' }],
  examples: [{ command: 'lifeboat wal receive shop', explains: 'under systemd or another supervisor' }],
  run: async call => {
    const { receiveLog } = await import('../../operations/logs/logs.ts')
    const wish = {
      source: call.values.text('source'),
      repository: repoOf(call),
      intervalMs: call.values.durationMs('interval', '--interval'),
    }
    const received = await receiveLog(
      await call.openApp(),
      {
        ...wish,
        onProgress: ({ newest, waitingFiles, storedFiles }, source) =>
          call.progress.update({
            label: `receive ${source}`,
            done: storedFiles,
            total: undefined,
            unit: 'items',
            details: [newest ?? 'nothing stored yet', ...(waitingFiles === 0 ? [] : [`${waitingFiles} waiting`])],
          }),
      },
      call.caller,
    )
    const { storedFiles, waitingFiles } = received
    return {
      json: walReceiveJson(received),
      text: `Stopped; ${storedFiles} files stored${waitingFiles > 0 ? `, ${waitingFiles} waiting` : ''}.\n`,
    }
  },
}

// ---- what they share

function wishOf(call: Call): LogFileWish {
  const { values } = call
  return { source: values.text('source'), repository: repoOf(call), log: values.text('system'), folder: process.cwd() }
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
