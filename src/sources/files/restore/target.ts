import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError, messageOf, systemCode } from '../../../base/errors.ts'
import type { RestoreRequest } from '../../source.ts'
import { joinRaw, type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { RESTORE_MARKER } from '../restore-marker.ts'
import { syncFolder } from './durable.ts'

const MARKER_LIMIT_BYTES = 4096

/** How the target was found. `resumed`: by an interrupted restore of the same snapshot, with nothing else in it. */
export type TargetState = 'new' | 'empty' | 'resumed' | 'existing'

export interface TargetFolder {
  readonly raw: RawPath
  readonly state: TargetState
  /** Permissions to leave it with, unless the snapshot says which. */
  readonly mode: number
}

/** Makes the target ready: a folder that only we can look into, with our marker where we are alone in it. */
export async function openTarget(request: RestoreRequest): Promise<TargetFolder> {
  const { target } = request
  try {
    const found = await findTarget(target)
    if (found === 'file') throw notAFolder(target)
    if (found === undefined) await mkdir(toBuffer(toRaw(target)), { recursive: true })
    const raw = await realpath(toBuffer(toRaw(target)), { encoding: 'latin1' })
    const state = found === undefined ? 'new' : await stateOf(raw, request)
    const mode = state === 'resumed' ? 0o777 & ~process.umask() : (await stat(toBuffer(raw))).mode & 0o7777
    if (state !== 'existing') await closeToOthers(raw, state)
    if (state === 'existing') await removeMarker(raw)
    else if (state !== 'resumed') await writeMarker(raw, request.snapshot.id)
    if (state === 'new') await syncFolder(dirname(raw))
    return { raw, state, mode }
  } catch (error) {
    throw targetError(target, error)
  }
}

/** A folder that somebody else made for us stays as open as they want it. */
async function closeToOthers(raw: RawPath, state: TargetState): Promise<void> {
  await chmod(toBuffer(raw), 0o700).catch((error: unknown) => {
    if (state === 'new' || systemCode(error) !== 'EPERM') throw error
  })
}

/** The last step: all else is durable. */
export async function closeTarget(target: TargetFolder): Promise<void> {
  await removeMarker(target.raw)
  await syncFolder(target.raw)
}

/** Nothing more can be written to the target: going on with the next file makes no sense. */
export function isFatal(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS'].includes(systemCode(error) ?? '')
}

/** A foreign error at the target as one of ours. */
export function targetError(target: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('target-full', `no space left at ${target}`, {
      hint: 'Free some space, then run the same command again: it goes on where it was.',
      cause: error,
    })
  }
  const reason = code === 'EACCES' || code === 'EPERM' ? 'permission denied' : messageOf(error)
  return new AppError('target-invalid', `cannot restore to ${target}: ${reason}`, {
    hint: 'Choose another folder with --to, or make this one writable.',
    cause: error,
  })
}

async function findTarget(target: string): Promise<'folder' | 'file' | undefined> {
  try {
    return (await stat(toBuffer(toRaw(target)))).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
  // A symlink to nothing: mkdir would say no more than that it exists.
  const link = await lstat(toBuffer(toRaw(target))).catch(() => undefined)
  return link === undefined ? undefined : 'file'
}

async function stateOf(raw: RawPath, request: RestoreRequest): Promise<TargetState> {
  const names = await readdir(toBuffer(raw), { encoding: 'latin1' })
  if (names.length === 0) return 'empty'
  const interrupted = names.includes(RESTORE_MARKER) ? await readMarker(raw) : undefined
  if (interrupted === request.snapshot.id) return 'resumed'
  if (request.force) return 'existing'
  throw new AppError('target-exists', `folder is not empty: ${request.target}`, {
    hint:
      interrupted === undefined
        ? 'Choose a new folder, or add --force: what is not in the snapshot stays.'
        : `It holds an unfinished restore of snapshot ${interrupted.slice(0, 8)}: restore that one, or add --force.`,
  })
}

async function readMarker(folder: RawPath): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(toBuffer(joinRaw(folder, RESTORE_MARKER)), flags).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MARKER_LIMIT_BYTES), 0, MARKER_LIMIT_BYTES, 0)
    return /^snapshot ([0-9a-f]{64})\n/.exec(buffer.toString('latin1', 0, bytesRead))?.[1]
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

async function writeMarker(folder: RawPath, snapshot: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(toBuffer(joinRaw(folder, RESTORE_MARKER)), flags, 0o600)
  try {
    await file.writeFile(
      `snapshot ${snapshot}\nA restore into this folder has not finished. Start it again to go on.\n`,
    )
    await file.sync()
  } finally {
    await file.close()
  }
}

async function removeMarker(folder: RawPath): Promise<void> {
  await rm(toBuffer(joinRaw(folder, RESTORE_MARKER)), { force: true })
}

function notAFolder(target: string): AppError {
  return new AppError('target-invalid', `not a folder: ${target}`, { hint: 'Choose a folder with --to.' })
}
