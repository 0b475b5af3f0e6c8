import { AppError, messageOf, systemCode } from '../base/errors.ts'
import { FILE_SIZE_HINT, FILE_TOO_LARGE } from '../base/sizes.ts'
import { errorJson } from '../outputs/fields.ts'
import type { Interrupts } from './interrupts.ts'
import { formatError } from './printers/text.ts'
import type { Paint } from './terminal.ts'

/** What a failed run says and how it exits. The one place that maps errors to exit codes. */
export interface Failure {
  readonly exitCode: number
  readonly text: string
  readonly json: unknown
}

export function describeFailure(
  error: unknown,
  { signal, exitCode }: Pick<Interrupts, 'signal' | 'exitCode'>,
  paint: Paint,
): Failure {
  const known = toAppError(error, signal.aborted)
  if (known)
    return {
      exitCode: (known.code === 'interrupted' ? exitCode : undefined) ?? known.exitCode,
      text: formatError(known, paint),
      json: errorJson(known),
    }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return {
    exitCode: 1,
    text: `${paint('red', 'error:')} this is a bug in Lifeboat\n${stack}\n${REPORT}\n`,
    json: { error: { code: 'bug', message: messageOf(error), hint: REPORT, context: { stack } } },
  }
}

const REPORT = 'Please report it with the lines above and the command you typed; your backups are not touched by it.'

function toAppError(error: unknown, interrupted: boolean): AppError | undefined {
  if (error instanceof AppError) return withHint(error)
  if (interrupted) return withHint(new AppError('interrupted', 'interrupted', { cause: error }))
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('failed', `no space left: ${messageOf(error)}`, { hint: 'Free some space, then try again.' })
  }
  if (code === 'EFBIG')
    return new AppError('failed', `${FILE_TOO_LARGE}: ${messageOf(error)}`, { hint: FILE_SIZE_HINT })
  if (isOutOfMemory(error, code)) {
    return new AppError('failed', `the system gives no more memory: ${messageOf(error)}`, {
      hint: 'Free some memory, or raise the limit of this process ("ulimit -v unlimited", a larger MemoryMax=), then try again.',
      cause: error,
    })
  }
  if (code === 'EROFS') {
    return new AppError('failed', `the file system is read-only: ${messageOf(error)}`, {
      hint: 'Mount it so that it can be written to ("mount -o remount,rw"), or choose another place.',
    })
  }
  // The environment's fault, not ours: a full table of files, a folder without permission, an SQLite file that is locked.
  if (code !== undefined && /^(E[A-Z0-9]+|ERR_SQLITE_ERROR)$/.test(code) && !code.startsWith('ERR_INVALID')) {
    return new AppError('failed', lowerFirst(messageOf(error)), { cause: error })
  }
  return undefined
}

const OUT_OF_MEMORY: ReadonlySet<string> = new Set([
  'ENOMEM',
  'ERR_MEMORY_ALLOCATION_FAILED',
  'ERR_WORKER_INIT_FAILED',
  'ERR_WORKER_OUT_OF_MEMORY',
])

function isOutOfMemory(error: unknown, code: string | undefined): boolean {
  if (code !== undefined && OUT_OF_MEMORY.has(code)) return true
  return error instanceof RangeError && /allocation failed|out of memory/i.test(error.message)
}

function withHint(error: AppError): AppError {
  if (error.code !== 'interrupted' || error.hint !== undefined) return error
  return new AppError('interrupted', error.message, { hint: 'Nothing is lost; run the same command again to go on.' })
}

const lowerFirst = (text: string): string =>
  /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
