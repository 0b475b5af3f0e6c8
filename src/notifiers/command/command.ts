import { AppError } from '../../base/errors.ts'
import { runUserCommand } from '../../base/user-command.ts'
import type { Notice, Notifier, NotifierContext } from '../notifier.ts'
import type { CommandOptions } from './options.ts'

const TIMEOUT_MS = 60_000

/** Runs it without a shell. It succeeds with exit code 0 within a minute. */
export async function openCommand({ command }: CommandOptions, { commandPlace }: NotifierContext): Promise<Notifier> {
  return {
    send: async (notice: Notice, signal: AbortSignal) => {
      const { event, severity, title, text } = notice
      const tell = {
        LIFEBOAT_EVENT: event,
        LIFEBOAT_SEVERITY: severity,
        LIFEBOAT_TITLE: title,
        LIFEBOAT_TEXT: text,
        LIFEBOAT_NOTICE: JSON.stringify(notice),
      }
      const what = 'the command that notifies'
      const { code, late } = await runUserCommand(commandPlace, { what, command, tell, timeoutMs: TIMEOUT_MS, signal })
      if (code === 0 && !late) return
      const why = late ? 'did not end within a minute' : code === undefined ? 'was killed' : `ended with code ${code}`
      throw new AppError('notify-failed', `${what} ${why}: ${command[0] ?? ''}`, {
        hint: 'Run it by hand with LIFEBOAT_TITLE and LIFEBOAT_TEXT set.',
      })
    },
    close: async () => {},
  }
}
