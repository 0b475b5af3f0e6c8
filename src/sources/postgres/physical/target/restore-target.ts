import { lstat, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError, isAppError, messageOf, systemCode } from '../../../../base/errors.ts'
import { isEmpty, Marker } from '../../../beside/marker.ts'
import type { Change } from '../../../source.ts'
import { CONTROL_FILE, readSystemIdentifier } from '../control-file.ts'
import { makePlace, type PlaceOwner } from '../restore/make-place.ts'

/** In a data directory while it is not whole: which cluster is coming to be there. */
export const marker = new Marker(z.object({ snapshot: z.string(), systemIdentifier: z.string() }))

export interface RestoreTarget {
  readonly path: string
  /** There is an older copy of the same cluster, or what an interrupted restore left of one. */
  readonly existing: boolean
}

export interface TargetRequest {
  /** Absolute. */
  readonly path: string
  readonly snapshot: string
  readonly systemIdentifier: string
  readonly force: boolean
  readonly owner: PlaceOwner | undefined
}

/**
 * Makes a data directory ready to be written: from here on, until `closeTarget`, no server can start in it. Refuses one
 * in which a server runs, and one that holds anything but a copy of the same cluster. `beforeChange`: called when all else
 * that can be refused was; it may be what stops the server.
 */
export async function openTarget(
  request: TargetRequest,
  beforeChange?: (change: Change) => Promise<void>,
): Promise<RestoreTarget> {
  try {
    const state = await inspectTarget(request)
    const existing = state === 'older' || state === 'unfinished'
    await beforeChange?.({ places: [request.path] })
    if (existing) await requireStopped(request.path)
    if (state === 'missing') await makePlace(request.path, request.owner)
    const { snapshot, systemIdentifier } = request
    await marker.write(request.path, { snapshot, systemIdentifier })
    // After the marker, which says from now on whose directory this is.
    await rm(join(request.path, CONTROL_FILE), { force: true })
    return { path: request.path, existing }
  } catch (error) {
    throw isAppError(error) ? error : targetError(request.path, error)
  }
}

/** The very last step, when all else is durable. */
export async function closeTarget(target: RestoreTarget): Promise<void> {
  await marker.remove(target.path)
}

/** A foreign error at the target as one of ours. */
export function targetError(target: string, error: unknown): AppError {
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('target-full', `no space left at ${target}`, {
      hint: 'Free some space, then run the same command again: it goes on where it was.',
      cause: error,
    })
  }
  return new AppError('target-invalid', `cannot restore to ${target}: ${messageOf(error)}`, {
    hint: 'Choose another folder with --to, or make this one writable.',
    cause: error,
  })
}

/** `older`: a copy of this cluster that may be replaced. `unfinished`: an interrupted restore of the same snapshot. */
export type TargetState = 'missing' | 'empty' | 'unfinished' | 'older'

/** Changes nothing. Throws what stands in the way: `target-exists`, `target-invalid`. Does not ask for a running server. */
export async function inspectTarget(request: TargetRequest): Promise<TargetState> {
  const { path } = request
  const found = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return 'missing'
  if (!found.isDirectory()) {
    throw new AppError('target-invalid', `not a folder: ${path}`, { hint: 'Choose a folder with --to.' })
  }
  if (isEmpty(await readdir(path))) return 'empty'
  const unfinished = await marker.read(path)
  if (unfinished?.snapshot === request.snapshot) return 'unfinished'
  if (!request.force) {
    throw new AppError('target-exists', `folder is not empty: ${path}`, {
      hint: 'Choose a new folder, or add --force: an older copy of the same cluster there is brought up to this one.',
    })
  }
  requireSameCluster(path, unfinished?.systemIdentifier ?? (await readSystemIdentifier(path)), request)
  return 'older'
}

function requireSameCluster(path: string, there: string | undefined, request: TargetRequest): void {
  if (there === request.systemIdentifier) return
  const what = there === undefined ? 'something that is no data directory' : `another cluster (${there})`
  throw new AppError('target-invalid', `${path} holds ${what}`, {
    hint: 'It is not overwritten, not even with --force. Move it away, or choose a new folder with --to.',
    context: { found: there, wanted: request.systemIdentifier },
  })
}

/** Throws `target-in-use` when the process in `postmaster.pid` lives and works in this directory. */
export async function requireStopped(dataDir: string): Promise<void> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    // One that is there and can't be read may be a running server's.
    if (systemCode(error) !== 'ENOENT') throw unreadable(dataDir, error)
  })
  const pid = Math.abs(Number.parseInt(text?.split('\n')[0] ?? '', 10))
  if (!Number.isInteger(pid) || pid === 0 || pid === process.pid || !isAlive(pid)) return
  // A number that was given to another process since: a server's working directory is its data directory.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  if (cwd !== undefined && !(await isSameFolder(cwd, dataDir))) return
  throw new AppError('target-in-use', `a PostgreSQL server (process ${pid}) runs in ${dataDir}`, {
    hint: `Stop it first: pg_ctl -D ${dataDir} stop.`,
  })
}

function unreadable(dataDir: string, cause: unknown): AppError {
  return new AppError('target-invalid', `cannot tell whether a PostgreSQL server runs in ${dataDir}`, {
    cause,
    hint: `Make ${join(dataDir, 'postmaster.pid')} readable for this user, or restore to another folder.`,
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

async function isSameFolder(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(a).catch(() => undefined), stat(b)])
  return one?.ino === other.ino && one.dev === other.dev
}

/** Is there nothing at a path, or an empty folder? */
export async function isVacant(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return true
  return found.isDirectory() && (await readdir(path)).length === 0
}
