import { AppError, isAppError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { runTool } from '../../base/process.ts'

/** What stops or starts an application: a program, without a shell, or a call over HTTP. */
export type Hook =
  | { readonly command: readonly string[]; readonly timeout?: number | undefined }
  | { readonly http: string; readonly method?: string | undefined; readonly timeout?: number | undefined }

export interface Hooks {
  readonly before?: Hook | undefined
  readonly after?: Hook | undefined
}

export interface HookContext {
  readonly signal: AbortSignal
  readonly logger: Logger
  /** `LIFEBOAT_SOURCE`, ... for the program. */
  readonly environment: Readonly<Record<string, string>>
}

const DEFAULT_TIMEOUT_MS = 60_000
const SAID_CHARS = 500

/** Throws `failed`, with what it said, when it ends with anything but 0 or answers with anything but 2xx. */
export async function runHook(name: 'before' | 'after', hook: Hook, context: HookContext): Promise<void> {
  const timeoutMs = hook.timeout ?? DEFAULT_TIMEOUT_MS
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([context.signal, limit])
  try {
    if ('command' in hook) await runCommand(hook.command, context.environment, signal)
    else await call(hook.http, hook.method ?? 'POST', signal)
  } catch (error) {
    if (context.signal.aborted) throw new AppError('interrupted', 'interrupted', { cause: error })
    const why = limit.aborted ? `it took longer than ${Math.round(timeoutMs / 1000)} s` : messageOf(error)
    throw new AppError('failed', `the hook "${name}" failed: ${why}`, {
      hint: `Run by hand what it runs: ${'command' in hook ? hook.command.join(' ') : hook.http}.`,
      cause: error,
    })
  }
}

async function runCommand(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const { code, stderr, stdout } = await runTool(program, args, { signal, env })
  if (code === 0) return
  const said = (stderr.trim() || stdout.toString('utf8').trim()).slice(-SAID_CHARS)
  throw new Error(`${program} ended with ${code}${said === '' ? '' : `: ${said}`}`)
}

async function call(url: string, method: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { method, signal }).catch((error: unknown) => {
    throw isAppError(error) ? error : new Error(`no answer: ${messageOf(causeOf(error))}`)
  })
  const said = (await response.text()).slice(0, SAID_CHARS)
  if (!response.ok) throw new Error(`it answered ${response.status}${said === '' ? '' : `: ${said}`}`)
}

/** `fetch` says no more than that it failed; why is in the cause. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}
