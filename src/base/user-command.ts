import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { Trust } from './believed-file.ts'
import { requireBelievedProgram } from './believed-program.ts'
import { AppError, messageOf, systemCode, throwIfAborted } from './errors.ts'
import { plainEnvironment } from './plain-environment.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where commands that a person configured run, and what they may see of ours. */
export interface CommandPlace {
  /** Relative paths are relative to it. */
  readonly cwd: string
  /** Ours: only what any program needs of it is passed on, and what `pass` names. */
  readonly environment: Environment
  readonly trust: Trust
}

export interface UserCommand {
  /** In errors: `the hook "after" of source app`. */
  readonly what: string
  /** A program and its arguments; run without a shell. */
  readonly command: readonly string[]
  /** Variables of ours that it gets too. */
  readonly pass?: readonly string[] | undefined
  /** What we tell it beside: `LIFEBOAT_SOURCE`. */
  readonly tell?: Readonly<Record<string, string>> | undefined
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface CommandEnd {
  /** Undefined after a signal, ours at the end of its time included. */
  readonly code: number | undefined
  readonly killedBy: string | undefined
  readonly late: boolean
  /** The last of what it wrote. */
  readonly stdout: string
  readonly stderr: string
}

/** Only the end of a long output is kept. */
const KEPT_CHARS = 64 * 1024
/** After its end its last words may still be in the pipe; what it left running may hold that open for ever. */
const LAST_WORDS_MS = 250
/** A command that does not end after SIGTERM is killed. */
const PATIENCE_MS = 5_000
const LOOK_AGAIN_MS = 20

/** Is the program there, and is it ours to believe? Throws `tool-missing` and `config-untrusted`. */
export async function requireUserCommand(
  place: CommandPlace,
  { what, command }: Pick<UserCommand, 'what' | 'command'>,
) {
  const searchPath = place.environment['PATH'] ?? ''
  await requireBelievedProgram(command, { what, trust: place.trust, cwd: place.cwd, searchPath })
}

/**
 * Runs a person's command to its end, in a process group of its own: out of time or interrupted, all that it started ends
 * with it. What it leaves running after its own end, such as an application, stays. Throws what `requireUserCommand`
 * does, and `interrupted`.
 */
export async function runUserCommand(place: CommandPlace, wanted: UserCommand): Promise<CommandEnd> {
  const { signal, timeoutMs } = wanted
  throwIfAborted(signal)
  await requireUserCommand(place, wanted)
  const child = await start(place, wanted)
  const group = child.pid ?? 0
  running.add(group)
  const [stdout, stderr] = [keepEnd(child.stdout), keepEnd(child.stderr)]
  const limit = AbortSignal.timeout(timeoutMs)
  const stop = signal === undefined ? limit : AbortSignal.any([limit, signal])
  try {
    const exit = await endOf(child, stop)
    if (exit === undefined) await endGroup(group)
    throwIfAborted(signal)
    const [code, killedBy] = exit ?? []
    const end = { code: code ?? undefined, killedBy: killedBy ?? undefined, late: exit === undefined }
    return { ...end, stdout: stdout(), stderr: stderr() }
  } finally {
    running.delete(group)
    child.stdout?.destroy()
    child.stderr?.destroy()
    child.unref()
  }
}

const running = new Set<number>()

/** For our own sudden end. */
export function killUserCommands(): void {
  for (const group of running) signalGroup(group, 'SIGKILL')
}

async function start(place: CommandPlace, { what, command, pass, tell }: UserCommand): Promise<ChildProcess> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: place.cwd,
    env: { ...plainEnvironment(place.environment, pass), ...tell },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  try {
    await once(child, 'spawn')
  } catch (error) {
    // Found a moment ago: then it is the first line of a script that names what is not there.
    const reason =
      systemCode(error) === 'ENOENT' ? 'the program that its first line names is missing' : messageOf(error)
    throw new AppError('tool-failed', `${what}: cannot start ${program}: ${reason}`, { cause: error })
  }
  child.on('error', () => {})
  return child
}

type Exit = readonly [code: number | null, killedBy: string | null]

/** Undefined when it was stopped first. */
async function endOf(child: ChildProcess, stop: AbortSignal): Promise<Exit | undefined> {
  const closed = once(child, 'close')
  const exit = await new Promise<Exit | undefined>(resolve => {
    child.once('exit', (code, killedBy) => resolve([code, killedBy]))
    if (stop.aborted) resolve(undefined)
    else stop.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  if (exit !== undefined) await Promise.race([closed, wait(LAST_WORDS_MS)])
  return exit
}

/** Asks the whole group to end, and kills what does not. */
async function endGroup(group: number): Promise<void> {
  signalGroup(group, 'SIGTERM')
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += LOOK_AGAIN_MS) {
    if (!signalGroup(group, 0)) return
    await wait(LOOK_AGAIN_MS)
  }
  signalGroup(group, 'SIGKILL')
}

/** False when there is none of it left. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return group > 0 && process.kill(-group, signal)
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

function keepEnd(stream: NodeJS.ReadableStream | null): () => string {
  let kept = ''
  stream?.setEncoding('utf8').on('data', (part: string) => {
    kept = (kept + part).slice(-KEPT_CHARS)
  })
  return () => kept
}
