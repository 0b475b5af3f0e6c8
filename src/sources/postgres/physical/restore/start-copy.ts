import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError, messageOf } from '../../../../base/errors.ts'
import { freePort, type PostgresTools, runTool, type ServerUser } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { StartedServer } from '../../../source.ts'
import { SOCKET_DIR_LIMIT_BYTES, socketParent } from '../../socket-parent.ts'
import { ALONE, MACHINE_BOUND } from './own-settings.ts'

const LOG_FILE = 'lifeboat.log'

export interface CopyFolder {
  readonly dataDir: string
  readonly tools: PostgresTools
  readonly user: ServerUser | undefined
}

type ForGood = Pick<StartedServer, 'port' | 'socketDir' | 'logFile'>

/** Under the copy's own settings; where they do not fit this machine, under those of ours that do. */
export async function startForGood(
  place: CopyFolder,
  signal: AbortSignal,
): Promise<{ readonly server: ForGood; readonly findings: readonly Finding[] }> {
  try {
    return { server: await startCopy(place, signal, []), findings: [] }
  } catch (error) {
    if (!isAppError(error, 'tool-failed')) throw error
    const { dataDir } = place
    const files = ['hba_file=pg_hba.conf', 'ident_file=pg_ident.conf'].map(file => file.replace('=', `=${dataDir}/`))
    const server = await startCopy(place, signal, [...MACHINE_BOUND, ...files]).catch(() => {
      throw error
    })
    const reason = lastFatal(messageOf(error), error.context['log'])
    return { server, findings: [startedOtherwise(dataDir, reason)] }
  }
}

function startedOtherwise(dataDir: string, reason: string): Finding {
  return {
    severity: 'warning',
    code: 'settings-left-out',
    subject: dataDir,
    message: `the copy does not start under its own settings here (${reason}), so it runs without those of its machine: ${MACHINE_BOUND.map(setting => setting.replace(/=.*/, '')).join(', ')}`,
    hint: 'Install what is missing, or change postgresql.conf in the copy, then start it again with pg_ctl.',
  }
}

function lastFatal(message: string, log: unknown): string {
  const lines = (typeof log === 'string' ? log : '').split('\n').filter(line => /FATAL|PANIC/.test(line))
  return (lines.at(-1) ?? message).replace(/^.*?(?:FATAL|PANIC): */, '').trim()
}

async function startCopy(place: CopyFolder, signal: AbortSignal, more: readonly string[]): Promise<ForGood> {
  const { dataDir, tools, user } = place
  const port = await freePort()
  const socketDir = Buffer.byteLength(dataDir) <= SOCKET_DIR_LIMIT_BYTES ? dataDir : socketParent()
  const logFile = join(dataDir, LOG_FILE)
  const settings = [
    // The copy's settings may name the original's.
    `data_directory=${dataDir}`,
    `port=${port}`,
    `unix_socket_directories=${socketDir}`,
    'listen_addresses=localhost',
    'logging_collector=off',
    'log_destination=stderr',
    ...ALONE,
    ...more,
  ]
  // pg_ctl hands these to a shell.
  const options = settings.map(setting => `-c '${setting.replaceAll("'", `'\\''`)}'`).join(' ')
  const before = await stat(logFile).then(
    ({ size }) => size,
    () => 0,
  )
  try {
    await runTool(
      tools,
      {
        tool: 'pg_ctl',
        settings: undefined,
        cwd: dataDir,
        signal,
        args: ['-D', dataDir, '-l', logFile, '-o', options, '-w', '-s', 'start'],
        uid: user?.uid,
        gid: user?.gid,
      },
      `start the restored copy (see ${logFile})`,
    )
  } catch (error) {
    if (!isAppError(error, 'tool-failed')) throw error
    const log = (await readFile(logFile).catch(() => Buffer.alloc(0))).subarray(before).toString('utf8').slice(-4000)
    throw new AppError('tool-failed', `cannot start the restored copy: ${lastFatal(error.message, log)}`, {
      hint: `The copy is whole and recovered. Its log is ${logFile}; change its settings, then start it with pg_ctl.`,
      context: { log },
      cause: error,
    })
  }
  return { port, socketDir, logFile }
}
