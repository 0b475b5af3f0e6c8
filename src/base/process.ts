import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { AppError, messageOf, systemCode } from './errors.ts'
import { toolEnvironment } from './plain-environment.ts'

export interface ToolRun {
  /** Written to the tool's stdin, which is then closed. */
  readonly stdin?: Uint8Array
  readonly signal?: AbortSignal | undefined
  /** Added to what any tool gets of our environment, in which no secret is. The locale is always `C`, so that output can be parsed. */
  readonly env?: Readonly<Record<string, string>>
}

export interface ToolResult {
  /** Exit code; 128 + n after signal n is not told apart: a killed tool is `tool-failed`. */
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Only the end of a long stderr is kept. */
const STDERR_LIMIT_CHARS = 64 * 1024

/**
 * Runs a program to its end, without a shell, and returns what it said whatever its exit code. Throws `tool-missing`
 * when it is not there, `interrupted` when the signal fired (the program is killed), `tool-failed` when it was killed
 * by somebody else.
 */
export async function runTool(name: string, args: readonly string[], run: ToolRun = {}): Promise<ToolResult> {
  const child = spawn(name, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...toolEnvironment(), ...run.env, LC_ALL: 'C' },
    ...(run.signal === undefined ? {} : { signal: run.signal, killSignal: 'SIGKILL' as const }),
  })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (part: Buffer) => stdout.push(part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr = (stderr + part).slice(-STDERR_LIMIT_CHARS)
  })
  // A tool that ends early closes its stdin; its exit code says why.
  child.stdin.on('error', () => {})
  child.stdin.end(run.stdin)
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', error => reject(startError(name, error, run.signal)))
    child.on('close', (exit, killedBy) => {
      if (exit !== null) resolve(exit)
      // Ctrl-C on a terminal reaches the tool too, and may be seen there before it is here.
      else if (run.signal?.aborted || killedBy === 'SIGINT') reject(new AppError('interrupted', 'interrupted'))
      else reject(new AppError('tool-failed', `${name} was killed by ${killedBy ?? 'a signal'}`))
    })
  })
  return { code, stdout: Buffer.concat(stdout), stderr }
}

/** The path of a program on PATH, or undefined. */
export async function findTool(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, name)
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  return undefined
}

/** A path is somebody's own program: that is not a matter of installing. */
function notThere(path: string, code: string, cause: Error): AppError {
  const message = code === 'EACCES' ? `${path} may not be run` : `there is no program ${resolve(path)}`
  const hint =
    code === 'EACCES'
      ? `Run "chmod +x ${path}".`
      : 'Correct the path (an absolute one works from everywhere), or the first line of the script.'
  return new AppError('tool-missing', message, { hint, cause })
}

function startError(name: string, error: Error, signal: AbortSignal | undefined): AppError {
  if (signal?.aborted) return new AppError('interrupted', 'interrupted', { cause: error })
  const code = systemCode(error)
  // A folder on PATH that is closed to us makes "not there" look like "denied".
  if (code === 'ENOENT' || code === 'EACCES') {
    if (name.includes('/')) return notThere(name, code, error)
    return new AppError('tool-missing', `${name} is not installed${code === 'EACCES' ? ' or may not be run' : ''}`, {
      hint: `Install ${name}, then run "lifeboat doctor" to see all tools.`,
      cause: error,
    })
  }
  return new AppError('tool-failed', `cannot start ${name}: ${messageOf(error)}`, { cause: error })
}
