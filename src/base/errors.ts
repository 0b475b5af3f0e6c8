import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

export interface AppErrorInit {
  /** What to do next, as a sentence. Names the command to type where there is one. */
  readonly hint?: string
  /** Facts for logs and `--json`. Never secrets. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The only error thrown on purpose. The message is lower case, has no full stop and names the thing:
 * `cannot read pack 3f2a0c11 from /backups`. Anything else that reaches the top is a bug.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, init: AppErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.hint = init.hint
    this.context = init.context ?? {}
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit
  }

  /** May the same succeed when it is tried again? */
  get isTransient(): boolean {
    return ERROR_CODES[this.code].retry
  }
}

export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code)
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Throws `interrupted` when the signal has fired. Long loops call it once per unit of work. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('interrupted', 'interrupted', { cause: signal.reason })
}
