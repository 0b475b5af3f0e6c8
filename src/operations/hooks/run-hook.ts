import { TRUST_OURS } from '../../base/believed-file.ts'
import { formatDuration } from '../../base/durations.ts'
import { AppError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { type CommandPlace, requireUserCommand, runUserCommand } from '../../base/user-command.ts'
import { webRequest, withoutLogin } from '../../base/web-request.ts'
import { HOOK_NAMES, type Hook, type HookName } from '../../model/hook.ts'

export interface Hooks extends Partial<Readonly<Record<HookName, Hook | undefined>>> {
  /** Whose they are, for errors: `policy nightly`. */
  readonly owner?: string | undefined
  /** Where they run; default: where we do. */
  readonly place?: CommandPlace | undefined
}

export interface HookContext {
  readonly signal: AbortSignal
  readonly logger: Logger
  /** `LIFEBOAT_SOURCE`, ... for the program. */
  readonly environment: Readonly<Record<string, string>>
}

const DEFAULT_TIMEOUT_MS = 60_000
const SAID_CHARS = 500

/**
 * Are the programs of all hooks there, and ours to run? Asked before the first one runs: found missing later, the program
 * that starts the application again would leave it stopped.
 */
export async function requireHooks(hooks: Hooks): Promise<void> {
  for (const name of HOOK_NAMES) {
    const hook = hooks[name]
    if (hook !== undefined && 'command' in hook)
      await requireUserCommand(placeOf(hooks), { ...hook, what: nameOf(name, hooks) })
  }
}

/** Throws `failed`, with what it said, when it ends with anything but 0 or answers with anything but 2xx. */
export async function runHook(name: HookName, hooks: Hooks, context: HookContext): Promise<void> {
  const hook = hooks[name]
  if (hook === undefined) return
  const timeoutMs = hook.timeout ?? DEFAULT_TIMEOUT_MS
  try {
    if ('command' in hook) await runCommand(nameOf(name, hooks), hook, placeOf(hooks), context, timeoutMs)
    else await callInTime(hook.http, hook.method ?? 'POST', context.signal, timeoutMs)
  } catch (error) {
    if (context.signal.aborted) throw new AppError('interrupted', 'interrupted', { cause: error })
    throw new AppError('failed', `${nameOf(name, hooks)} failed: ${messageOf(error)}`, {
      hint: `Run by hand what it runs: ${'command' in hook ? hook.command.join(' ') : withoutLogin(hook.http)}`,
      cause: error,
    })
  }
}

const nameOf = (name: HookName, { owner }: Hooks): string =>
  `the hook "${name}"${owner === undefined ? '' : ` of ${owner}`}`

function placeOf({ place }: Hooks): CommandPlace {
  return place ?? { cwd: process.cwd(), environment: process.env, trust: TRUST_OURS }
}

async function runCommand(
  what: string,
  { command, environment: pass }: Extract<Hook, { readonly command: unknown }>,
  place: CommandPlace,
  { signal, environment: tell }: HookContext,
  timeoutMs: number,
): Promise<void> {
  const end = await runUserCommand(place, { what, command, pass, tell, signal, timeoutMs })
  if (end.late) throw tooLate(timeoutMs)
  if (end.code === 0) return
  const said = (end.stderr.trim() || end.stdout.trim()).slice(-SAID_CHARS)
  const how = end.code === undefined ? `was killed by ${end.killedBy ?? 'a signal'}` : `ended with ${end.code}`
  throw new Error(`${command[0] ?? ''} ${how}${said === '' ? '' : `: ${said}`}`)
}

const tooLate = (timeoutMs: number): Error => new Error(`it took longer than ${formatDuration(timeoutMs)}`)

async function callInTime(url: string, method: string, signal: AbortSignal, timeoutMs: number): Promise<void> {
  const limit = AbortSignal.timeout(timeoutMs)
  try {
    await call(url, method, AbortSignal.any([signal, limit]))
  } catch (error) {
    throw limit.aborted ? tooLate(timeoutMs) : error
  }
}

async function call(url: string, method: string, signal: AbortSignal): Promise<void> {
  const response = await webRequest(url, { method, signal }).catch((error: unknown) => {
    throw new Error(`no answer: ${messageOf(error)}`)
  })
  const said = await firstOf(response)
  if (!response.ok) throw new Error(`it answered ${response.status}${said === '' ? '' : `: ${said}`}`)
}

/** An answer may be endless. */
async function firstOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    parts.push(part)
    length += part.length
    if (length >= SAID_CHARS) break
  }
  return Buffer.concat(parts).toString('utf8').slice(0, SAID_CHARS)
}
