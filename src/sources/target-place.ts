import type { Stats } from 'node:fs'
import { access, constants, lstat, readdir, realpath, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { systemCode, throwIfAborted } from '../base/errors.ts'
import { formatSize } from '../base/sizes.ts'
import type { Finding } from '../model/finding.ts'
import { KernelFileSystems } from './kernel-file-systems.ts'
import type { Written } from './target.ts'

/** What stands in the way of a file or folder that is made beside `place` and then takes its name; `exists`: something has it. */
export async function obstaclesBeside(
  place: string,
  neededBytes: number | undefined,
  exists: boolean,
): Promise<Finding[]> {
  const folder = await nearestFolder(dirname(place))
  const findings: Finding[] = []
  const refusal = await findRefusal(folder)
  if (refusal === 'EROFS') {
    findings.push({
      severity: 'error',
      code: 'target-not-writable',
      subject: folder,
      message: 'its file system is read-only',
      hint: 'Mount it so that it can be written to ("mount -o remount,rw"), or choose another place with --to.',
    })
  } else if (refusal !== undefined) {
    findings.push({
      severity: 'error',
      code: 'target-not-writable',
      subject: folder,
      message: 'this user may not write there',
      hint: 'Run as the user that owns it, or choose another place with --to.',
    })
  }
  const { bavail, bsize } = await statfs(folder)
  const needed = neededBytes ?? 0
  if (needed > bavail * bsize) {
    findings.push({
      severity: 'error',
      code: 'target-no-space',
      subject: folder,
      message: `${formatSize(needed)} are to be written${exists ? ' beside what is there' : ''}, ${formatSize(bavail * bsize)} are free`,
      hint: exists
        ? 'Free some space, choose another disk with --to, or write into what is there with --force.'
        : 'Free some space, or choose another disk with --to.',
    })
  }
  return findings
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() || dirname(path) === path ? path : await nearestFolder(dirname(path))
}

/** Why nothing can be made there; undefined when it can. */
async function findRefusal(folder: string): Promise<string | undefined> {
  return await access(folder, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: unknown) => systemCode(error) ?? 'unknown',
  )
}

/** Renames follow the thing itself, not a link to it. */
export async function placeOf(target: string): Promise<string> {
  return await realpath(target).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    return resolve(target)
  })
}

/**
 * Files whose content, name or attributes changed after that moment: the file system notes it, and no program can set it
 * back. What can't be looked into is not counted.
 */
export async function filesWrittenSince(folder: string, since: Date, signal: AbortSignal): Promise<Written[]> {
  let written = 0
  for await (const entry of filesOf(folder, signal)) if (entry.ctimeMs > since.getTime()) written += 1
  return written === 0 ? [] : [{ name: 'files', written }]
}

/** What can't be looked into is not counted: this is for a person to compare, not a check. Links are not followed. */
export async function measureFolder(
  folder: string | Buffer,
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly sizeBytes: number }> {
  let files = 0
  let sizeBytes = 0
  for await (const entry of filesOf(folder, signal)) {
    files += 1
    sizeBytes += entry.isFile() ? entry.size : 0
  }
  return { files, sizeBytes }
}

async function* filesOf(folder: string | Buffer, signal: AbortSignal): AsyncGenerator<Stats> {
  const kernel = new KernelFileSystems()
  const waiting = [Buffer.from(folder)]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    throwIfAborted(signal)
    // Names are bytes: they need not be text.
    for (const name of await readdir(at, { encoding: 'buffer' }).catch(() => [])) {
      const path = Buffer.concat([at, SEPARATOR, name])
      const entry = await lstat(path).catch(() => undefined)
      if (entry?.isDirectory()) {
        if (!kernel.has(entry.dev, path)) waiting.push(path)
      } else if (entry) yield entry
    }
  }
}

const SEPARATOR = Buffer.from('/')
