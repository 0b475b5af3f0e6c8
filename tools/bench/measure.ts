import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface Measurement {
  readonly wallMs: number
  /** User and system time of the process and all its children. */
  readonly cpuMs: number
  /** The process tree's largest sum of resident memory; of a process shorter than the sampling, 0. */
  readonly peakBytes: number
  readonly stdout: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Who runs it, where that is not who measures. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Exit codes that mean success; default only 0. */
  readonly accept?: readonly number[]
}

const SAMPLE_MS = 20

/**
 * Runs a command to its end and measures it. The shell between is there for its `times`, the only portable way to the
 * processor time of a finished child without more tools; memory is read from /proc while the command runs.
 */
export async function measure(command: readonly string[], options: CommandOptions = {}): Promise<Measurement> {
  const script = '"$@" 3>&-; code=$?; times >&3; exit $code'
  const started = performance.now()
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    ...options.user,
  })
  const peak = new PeakMemory()
  const sampling = setInterval(() => peak.sample(child.pid), SAMPLE_MS)
  const [stdout, stderr, times] = [collect(child.stdio[1]), collect(child.stdio[2]), collect(child.stdio[3])]
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => resolve(status ?? (signal ? 128 : 1)))
  }).finally(() => clearInterval(sampling))
  const wallMs = performance.now() - started
  if (!(options.accept ?? [0]).includes(code)) {
    throw new Error(`${command.join(' ')} ended with ${code}\n${await stderr}${await stdout}`)
  }
  return { wallMs, cpuMs: childrenCpuMs(await times), peakBytes: peak.bytes, stdout: await stdout }
}

async function collect(stream: unknown): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The second line of `times`: user and system time of the children, as `0m1.250000s 0m0.080000s`. */
function childrenCpuMs(times: string): number {
  const line = times.trim().split('\n')[1] ?? ''
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
    0,
  )
}

class PeakMemory {
  bytes = 0
  /** A process's own high-water mark catches what falls between two samples. */
  readonly #marks = new Map<number, number>()

  sample(shell: number | undefined): void {
    if (shell === undefined) return
    let resident = 0
    for (const pid of descendants(shell)) {
      const status = readOr(`/proc/${pid}/status`, '')
      resident += kilobytes(status, 'VmRSS') * 1024
      this.#marks.set(pid, kilobytes(status, 'VmHWM') * 1024)
    }
    this.bytes = Math.max(this.bytes, resident, ...this.#marks.values())
  }
}

/** All processes below this one, itself not counted. */
function descendants(pid: number): number[] {
  const children = listOr(`/proc/${pid}/task`)
    .flatMap(thread => readOr(`/proc/${pid}/task/${thread}/children`, '').split(' '))
    .filter(Boolean)
    .map(Number)
  return children.flatMap(child => [child, ...descendants(child)])
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
}

/** Processes end while they are looked at. */
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

function listOr(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
