import type { Stats } from 'node:fs'
import { lstat, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { keptPathOf, swapIn } from '../kept-path.ts'
import type { RestoreRequest } from '../source.ts'
import type { Kept } from '../target.ts'
import { restoringMarker } from './database-file.ts'
import { isFault } from './faults.ts'
import { findHolders, type Holder } from './holders.ts'
import { type Session, SessionFault } from './session.ts'

/** Files that SQLite keeps beside a database, and that would be applied to whatever lies at its path. */
export const SIDECARS = ['-wal', '-shm', '-journal'] as const

const PARTIAL = '.lifeboat-partial'

const ORPHAN_TRIES = 20
const ORPHAN_PAUSE_MS = 50

/** The place of a restored file, with the names of what may lie beside it. */
export interface Target {
  readonly path: string
  /** What is there now. */
  readonly existing: Stats | undefined
  /** A restore that writes beside works here; found by the next one, which goes on with it. */
  readonly partial: string
  /** What failed its checks. */
  readonly failed: string
  /** Says that `path` itself is being rewritten in place, and is no database until that has ended. */
  readonly marker: string
}

/** Where to write: `to`, or in it under `name` when it is a folder. Makes missing folders, unless told not to. */
export async function locateTarget(
  to: string,
  name: string,
  { create }: { readonly create: boolean } = { create: true },
): Promise<Target> {
  try {
    let path = to
    let existing = await statOrNothing(path)
    if (existing?.isDirectory()) {
      path = join(path, name)
      existing = await statOrNothing(path)
    }
    if (existing) path = await realpath(path)
    else if (await isLink(path)) throw leadsNowhere(path)
    else if (create) await makeFolders(dirname(path), 0o700)
    if (existing && !existing.isFile()) throw notAFile(path)
    // The longest of the names that a restore needs beside it: SQLite's journal of what is being written.
    await statOrNothing(`${path}${PARTIAL}-journal`)
    return {
      path,
      existing,
      partial: `${path}${PARTIAL}`,
      failed: `${path}.lifeboat-failed`,
      marker: restoringMarker(path),
    }
  } catch (error) {
    throw targetError(error, to)
  }
}

/** `target-exists` when there is something that the request does not allow to replace. */
export function requireLeave(
  request: { readonly force: boolean },
  target: Target,
  interrupted: string | undefined,
): void {
  if (!target.existing || request.force) return
  const state = interrupted === undefined ? '' : ' and was left half-written by an interrupted restore'
  throw new AppError('target-exists', `${target.path} exists${state}`, {
    hint: 'Choose another path with --to, or allow to overwrite it with --force.',
    ...(interrupted === undefined ? {} : { context: { snapshot: interrupted } }),
  })
}

/** `target-in-use` when a program has the database, or the partial one, open. */
export async function requireFree(target: Target, session: Session): Promise<void> {
  const paths = ['', ...SIDECARS].map(end => target.path + end)
  const holders = await endOrphans([...paths, target.partial])
  if (holders.length > 0) {
    throw inUse(target.path, `by ${holders.map(h => `${h.program} (process ${h.pid})`).join(', ')}`)
  }
  if (!target.existing) return
  try {
    if (!(await session.call('isFree', { path: target.path }))) throw inUse(target.path, 'by another program')
  } catch (error) {
    // What SQLite can't open is damaged or no database, and so in nobody's use.
    if (!(error instanceof SessionFault)) throw error
  }
}

/** The last word before the target changes, and the last look whether anybody uses it. */
export async function prepareChange(
  request: Pick<RestoreRequest, 'beforeChange'>,
  target: Target,
  session: Session,
): Promise<void> {
  if (request.beforeChange === undefined) return
  await request.beforeChange({ places: [target.path] })
  await requireFree(target, session)
}

/** As `requireFree`, of what a restore writes before it touches the target. */
export async function requirePartialFree(target: Target): Promise<void> {
  const [holder] = await endOrphans([target.partial])
  if (holder) throw inUse(target.partial, `by ${holder.program} (process ${holder.pid})`)
}

/** A killed restore may have left its session at work on the files that the next one needs. Returns other holders. */
async function endOrphans(paths: readonly string[]): Promise<Holder[]> {
  for (let tried = 0; ; tried++) {
    const holders = await findHolders(paths)
    if (holders.every(holder => holder.state === 'living') || tried === ORPHAN_TRIES) return holders
    for (const { pid, state } of holders) if (state === 'orphan') endProcess(pid)
    await setTimeout(ORPHAN_PAUSE_MS)
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // Gone by itself, or another user's: then it is reported as a holder.
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error
  }
}

function inUse(path: string, by: string): AppError {
  return new AppError('target-in-use', `${path} is in use ${by}`, {
    hint: 'Stop the application first, or restore to another path.',
  })
}

/**
 * Takes what SQLite left beside the target out of its way: a WAL of the old database applied to the new one would corrupt
 * it. Moved, not deleted, so that a crash before the swap loses nothing; `removeMoved` deletes at the end.
 */
export async function moveSidecars(target: Target): Promise<void> {
  for (const end of SIDECARS) {
    await rename(target.path + end, movedPath(target, end)).catch(ignoreMissing)
  }
}

export async function removeMoved(target: Target): Promise<void> {
  for (const end of SIDECARS) await rm(movedPath(target, end), { force: true })
}

function movedPath(target: Target, end: string): string {
  return `${target.path}${end}.lifeboat-old`
}

/**
 * The partial file, checked and durable, becomes the target. With `keepAs`, what was there stays beside it, with its log;
 * without, its log is moved away first, for SQLite would apply it to the new file.
 */
export async function putInPlace(target: Target, keepAs: string | undefined): Promise<Kept[]> {
  if (keepAs !== undefined && target.existing) {
    const place = keptPathOf(target.path, keepAs, SIDECARS)
    await swapIn(target.partial, place)
    await removeMarker(target)
    return [{ target: target.path, kept: place.kept }]
  }
  await moveSidecars(target)
  await syncFolder(target)
  await rename(target.partial, target.path)
  await removeMarker(target)
  await removeMoved(target)
  return []
}

/** Makes names in the target's folder durable. */
export async function syncFolder(target: Target): Promise<void> {
  const folder = await open(dirname(target.path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

export async function writeMarker(target: Target, snapshot: string): Promise<void> {
  const file = await open(target.marker, 'w', 0o600)
  try {
    await file.writeFile(`${snapshot}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(target)
}

export async function removeMarker(target: Target): Promise<void> {
  await rm(target.marker, { force: true })
  await syncFolder(target)
}

/** The snapshot that an interrupted restore was writing over the target. */
export async function readMarker(target: Target): Promise<string | undefined> {
  const text = await readFile(target.marker, 'utf8').catch(ignoreMissing)
  return text === undefined ? undefined : text.trim() || 'unknown'
}

export async function statOrNothing(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(ignoreMissing))?.isSymbolicLink() === true
}

function leadsNowhere(path: string): AppError {
  return new AppError('target-invalid', `${path} is a link to what is not there`, {
    hint: 'Bring its disk back, remove the link, or choose another path with --to.',
  })
}

function notAFile(path: string): AppError {
  return new AppError('target-invalid', `${path} is not a file`, { hint: 'Choose the path of a file with --to.' })
}

/** As `sourceError`, for what went wrong while `path` was written. */
export function targetError(error: unknown, path: string): unknown {
  if (!isFault(error)) return error
  const code = error instanceof SessionFault ? error.fault.systemCode : systemCode(error)
  const full =
    code === 'ENOSPC' || code === 'EDQUOT' || (error instanceof SessionFault && error.fault.sqliteCode === 13)
  if (full) {
    return new AppError('target-full', `no space left to restore ${basename(path)} to ${dirname(path)}`, {
      cause: error,
      hint: 'Free space and run the same command again: it goes on where it was.',
    })
  }
  if (code === 'ENAMETOOLONG') {
    const bytes = Buffer.byteLength(basename(path))
    return new AppError('target-invalid', `the path is too long to restore to: ${path} (its name has ${bytes} bytes)`, {
      cause: error,
      hint: 'Choose a shorter one with --to: beside the file a restore needs names that are 25 bytes longer.',
    })
  }
  return new AppError('target-invalid', `cannot write ${path}: ${messageOf(error)}`, {
    cause: error,
    hint: 'Choose another path with --to, in a folder that this user may write.',
  })
}
