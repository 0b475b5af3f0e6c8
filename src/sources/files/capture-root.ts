import type { BigIntStats } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { SAFE_READ } from './file-content.ts'
import { type RawPath, toBuffer } from './raw-path.ts'

/** The folder that is captured; or the folder of the one file that is. */
export interface CaptureRoot {
  /** Absolute, without symlinks. */
  readonly folder: RawPath
  readonly singleFile: RawPath | undefined
  readonly stat: BigIntStats
}

/**
 * Looks at the configured path, following a symlink. `source-unreachable` when it is missing or closed to us,
 * `source-invalid` when it is neither a folder nor a file.
 */
export async function openRoot(path: string): Promise<CaptureRoot> {
  try {
    const real = await realpath(path, { encoding: 'latin1' })
    const found = await stat(toBuffer(real), { bigint: true })
    if (found.isDirectory()) {
      await requireReadable(real)
      return { folder: real, singleFile: undefined, stat: found }
    }
    if (found.isFile()) {
      await requireReadable(real)
      return { folder: dirname(real), singleFile: basename(real), stat: found }
    }
  } catch (error) {
    throw unreachable(path, error)
  }
  throw new AppError('source-invalid', `neither a folder nor a file: ${path}`, {
    hint: 'Set "path" of the source to the folder to protect.',
  })
}

/** Opening is the only question whose answer holds: permissions alone do not tell. */
async function requireReadable(path: RawPath): Promise<void> {
  await (await open(toBuffer(path), SAFE_READ)).close()
}

/** What a capture must leave out wherever it comes across it: compared by device and inode, so no symlink hides it. */
export class OwnPaths {
  readonly #found: ReadonlySet<string>

  private constructor(found: ReadonlySet<string>) {
    this.#found = found
  }

  static async of(paths: readonly string[]): Promise<OwnPaths> {
    const found = new Set<string>()
    for (const path of paths) {
      // What does not exist needs no leaving out.
      const own = await stat(path, { bigint: true }).catch(() => undefined)
      if (own !== undefined) found.add(identity(own))
    }
    return new OwnPaths(found)
  }

  has(entry: BigIntStats): boolean {
    return this.#found.size > 0 && this.#found.has(identity(entry))
  }
}

function identity(entry: BigIntStats): string {
  return `${entry.dev}:${entry.ino}`
}

function unreachable(path: string, error: unknown): AppError {
  const code = systemCode(error)
  const missing = code === 'ENOENT' || code === 'ENOTDIR'
  const denied = code === 'EACCES' || code === 'EPERM'
  const message = missing
    ? `no such folder: ${path}`
    : `cannot read ${path}: ${denied ? 'permission denied' : messageOf(error)}`
  return new AppError('source-unreachable', message, {
    hint: missing
      ? 'Check "path" of the source, and that its disk is mounted.'
      : 'Run as a user who may read it, or give this user access.',
    cause: error,
  })
}
