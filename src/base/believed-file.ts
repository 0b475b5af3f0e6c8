import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { AppError, systemCode, throwIfAborted } from './errors.ts'
import { untilAborted } from './interruptible.ts'
import { findStranger, isHandedOver, type Use } from './ownership.ts'

/** Whose files we believe. */
export interface Trust {
  /** Anybody's, because the person who runs us said so; else our own and root's. */
  readonly anybody: boolean
  /** The configuration, for the sentence that says how to vouch. */
  readonly config: string
}

/** Where nobody said anything. */
export const TRUST_OURS: Trust = { anybody: false, config: 'lifeboat.yaml' }

export interface BelievedFile {
  readonly bytes: Buffer
  readonly stat: Stats
}

export interface Believing {
  /** In errors: `the configuration`, `the password file`. */
  readonly what: string
  readonly trust: Trust
  /** Larger files are refused with EFBIG. */
  readonly limitBytes: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a file whose content decides what we run or whom we trust. Judged is the file that was opened, so that it can't
 * be exchanged after. Throws `config-untrusted`; system errors as they are; `interrupted` at once, also where a pipe or
 * a file system does not answer.
 */
export async function readBelieved(path: string, believing: Believing): Promise<BelievedFile> {
  const { signal } = believing
  throwIfAborted(signal)
  // Without O_NONBLOCK, opening a pipe that nobody writes to could not be given up.
  const opening = openToJudge(path)
  const handle = await untilAborted(opening, signal, late => void late.close().catch(() => {}))
  try {
    const stat = await untilAborted(handle.stat(), signal)
    await untilAborted(requireBelieved(path, stat, believing, 'read'), signal)
    const bytes = stat.isFile() ? await readFile(handle, stat, believing) : await readStream(handle, path, believing)
    return { bytes, stat }
  } finally {
    void handle.close().catch(() => {})
  }
}

/** Throws `config-untrusted` when somebody else could have written what was opened at that path. */
export async function requireBelieved(
  path: string,
  stat: Stats,
  { what, trust }: Pick<Believing, 'what' | 'trust'>,
  use: Use,
): Promise<void> {
  if (trust.anybody) return
  const stranger = await findStranger(path, stat, use)
  if (stranger === undefined) return
  const where = stranger.path === path ? path : `${path}: ${stranger.path}`
  throw new AppError('config-untrusted', `${what} is not used: ${where} ${stranger.why}`, {
    hint: `${stranger.mend} If you trust whoever can write it: lifeboat --config ${trust.config} --trust-config ...`,
    context: { file: path, place: stranger.path },
  })
}

/** Waits for nobody: neither for a pipe's writer nor for a terminal. */
export function openToJudge(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
}

async function readFile(handle: FileHandle, stat: Stats, { limitBytes, signal }: Believing): Promise<Buffer> {
  if (stat.size > limitBytes) throw tooLarge()
  const bytes = await untilAborted(handle.readFile(), signal)
  if (bytes.length > limitBytes) throw tooLarge()
  return bytes
}

const LOOK_AGAIN_MS = 25

/** A pipe, a terminal: to its end. A named pipe has its first writer to wait for; that can be interrupted. */
async function readStream(handle: FileHandle, path: string, { limitBytes, signal }: Believing): Promise<Buffer> {
  const isNamedPipe = (await handle.stat()).isFIFO() && !isHandedOver(path)
  const parts: Buffer[] = []
  let length = 0
  for (;;) {
    const { bytesRead, buffer } = await readSome(handle, signal)
    if (bytesRead > 0) {
      parts.push(buffer.subarray(0, bytesRead))
      length += bytesRead
      if (length > limitBytes) throw tooLarge()
    } else if (bytesRead === 0 && (length > 0 || !isNamedPipe)) return Buffer.concat(parts)
    else await untilAborted(wait(LOOK_AGAIN_MS), signal)
  }
}

/** -1 where there is nothing yet. */
async function readSome(
  handle: FileHandle,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytesRead: number; readonly buffer: Buffer }> {
  const buffer = Buffer.alloc(64 * 1024)
  try {
    return await untilAborted(handle.read(buffer), signal)
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return { bytesRead: -1, buffer }
    throw error
  }
}

function tooLarge(): Error {
  return Object.assign(new Error('it is larger than any file of its kind'), { code: 'EFBIG' })
}
