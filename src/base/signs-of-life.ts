import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './errors.ts'
import { fileSystemNow } from './file-system-time.ts'
import { bootId } from './process-life.ts'

/** How often who holds a file says so. */
export const SIGN_MS = 60_000

const END = '.alive'

/** Writes a sign that the holder of this file lives, beside it. Best effort: signs are more frequent than need be. */
export async function giveSign(path: string): Promise<void> {
  await writeFile(path + END, JSON.stringify({ boot: ownBoot(), awakeMs: awakeMs() }), { mode: 0o600 }).catch(() => {})
}

/** Gives signs until the returned function is called. */
export function keepGivingSigns(path: string): () => void {
  const timer = setInterval(() => void giveSign(path), SIGN_MS).unref()
  return () => clearInterval(timer)
}

export async function removeSigns(path: string): Promise<void> {
  await rm(path + END, { force: true })
}

export interface Silence {
  readonly silentMs: number
  /** The last sign was given since this machine started. */
  readonly sameBoot: boolean
}

/**
 * For how long the holder of a file, in another container or on another host, has given no sign. On this kernel it is
 * told by a clock that neither jumps nor runs while the machine sleeps; else by the one of the file system.
 * Undefined when the file is not there.
 */
export async function findSilence(path: string): Promise<Silence | undefined> {
  const sign = await readSign(path + END)
  const elapsedMs = sign !== undefined && sign.boot === ownBoot() ? awakeMs() - sign.awakeMs : -1
  if (elapsedMs >= 0) return { silentMs: elapsedMs, sameBoot: true }
  const newest = Math.max(...(await Promise.all([path, path + END].map(modifiedMs))))
  if (newest === Number.NEGATIVE_INFINITY) return undefined
  return { silentMs: (await fileSystemNow(dirname(path))) - newest, sameBoot: false }
}

async function readSign(path: string): Promise<{ readonly boot: string; readonly awakeMs: number } | undefined> {
  try {
    const sign: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof sign !== 'object' || sign === null || !('boot' in sign && 'awakeMs' in sign)) return undefined
    const { boot, awakeMs: at } = sign
    return typeof boot === 'string' && typeof at === 'number' ? { boot, awakeMs: at } : undefined
  } catch {
    // Not there, or cut short: its time tells something all the same.
    return undefined
  }
}

async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return Number.NEGATIVE_INFINITY
    throw error
  }
}

/** CLOCK_MONOTONIC: the same for all processes of a boot, and it stands still while the machine sleeps. */
function awakeMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

function ownBoot(): string | undefined {
  try {
    return bootId()
  } catch {
    return undefined
  }
}
