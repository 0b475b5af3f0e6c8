import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.js')

export interface CommandResult {
  /** The exit status; 128 + the signal's number where a signal ended it, as a shell says it. */
  readonly code: number
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** What the command reads from stdin; default: nothing, at its end at once. */
  readonly input?: string | undefined
}

/** A started command. `result` resolves when it has ended and its output is read; it never rejects for an exit code. */
export interface RunningCommand {
  readonly child: ChildProcess
  readonly result: Promise<CommandResult>
}

export function startCommand(command: string, args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env } })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const ended = new Promise<{ code: number; signal: NodeJS.Signals | undefined }>((resolveEnd, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolveEnd({ code: code ?? 128, signal: signal ?? undefined }))
  })
  const result = ended.then(async end => ({ ...end, stdout: await stdout, stderr: await stderr }))
  return { child, result }
}

export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return startCommand(command, args, options).result
}

/** Like `runCommand`, and throws with everything it printed when it fails. Returns stdout. */
export async function mustRun(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(command, args, options)
  if (result.code === 0) return result.stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${result.code}\n${result.stderr}${result.stdout}`)
}

/** Our own command, as a process of its own. */
export function startLifeboat(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  return startCommand(process.execPath, [BIN, ...args], options)
}

export async function runLifeboat(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return startLifeboat(args, options).result
}

/** Like `runLifeboat`, and throws with everything it printed when it fails. Returns stdout. */
export async function lifeboat(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return mustRun(process.execPath, [BIN, ...args], options)
}

async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
