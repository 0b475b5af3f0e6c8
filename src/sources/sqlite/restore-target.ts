import type { Stats } from 'node:fs'
import { lstat, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { syncFolder } from '../../base/durable.ts'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { nameIfFree } from '../../base/new-file.ts'
import { keptPathOf, oldOf, partialOf } from '../beside/names.ts'
import { makeFoldersDurably } from '../beside/sync-written.ts'
import type { RestoreRequest } from '../source.ts'
import type { Kept } from '../target.ts'
import { isFault } from './faults.ts'
import { findHolders, type Holder, stillOpen } from './holders.ts'
import { isStandIn } from './seal.ts'
import { SessionFault } from './session.ts'
import { heldBy, listSidecars, SIDECARS, swapDatabase } from './swap.ts'
import { databaseState } from './target-state.ts'

/** For so long we look whether a program lets go: one that opens, writes and closes does, one that stays does not. */
const STAYS_MS = 1500
const LOOK_PAUSE_MS = 1
/** On a machine that is busy, that time may be a few looks only. */
const STAYS_LOOKS = 100

/** The place of a restored file, with the names of what may lie beside it. */
export interface Target {
  readonly path: string
  /** What is there now. */
  readonly existing: Stats | undefined
  /** A restore that writes beside works here; found by the next one, which goes on with it. */
  readonly partial: string
  /** Lies at the path while that is rewritten in place. */
  readonly standIn: string
  /** What failed its checks. */
  readonly failed: string
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
    else if (create) await makeFoldersDurably(dirname(path), 0o700)
    if (existing && !existing.isFile()) throw notAFile(path)
    // The longest of the names that a restore needs beside it: SQLite's journal of what is being written.
    const partial = partialOf(path)
    await statOrNothing(`${partial}-journal`)
    return { path, existing, partial, standIn: `${path}.lifeboat-stand-in`, failed: `${path}.lifeboat-failed` }
  } catch (error) {
    throw targetError(error, to)
  }
}

/** `target-exists` when there is something that the request does not allow to replace. */
export function requireLeave(request: { readonly force: boolean }, target: Target, isHalfWritten: boolean): void {
  if (!target.existing || request.force) return
  const state = isHalfWritten ? ' and was left half-written by an interrupted restore' : ''
  throw new AppError('target-exists', `${target.path} exists${state}`, {
    hint: 'Choose another path with --to, or allow to overwrite it with --force.',
  })
}

/**
 * `target-in-use` when a program keeps the database, or the partial one, open. What locks it, or opens it later, is found
 * by the swap.
 */
export async function requireFree(target: Target): Promise<void> {
  const holders = await findStayingHolders([...databaseFiles(target.path), target.partial])
  if (holders.length > 0) throw heldBy(target.path, holders)
}

export function databaseFiles(path: string): string[] {
  return ['', ...SIDECARS].map(end => path + end)
}

/** The last word before the target changes, and the last look whether anybody keeps it open. */
export async function prepareChange(request: Pick<RestoreRequest, 'beforeChange'>, target: Target): Promise<void> {
  if (request.beforeChange === undefined) return
  await request.beforeChange({ places: [target.path], token: await databaseState(target.partial) })
  await requireFree(target)
}

/** As `requireFree`, of what a restore writes before it touches the target. */
export async function requirePartialFree(target: Target): Promise<void> {
  const holders = await findStayingHolders([target.partial])
  if (holders.length > 0) throw heldBy(target.partial, holders)
}

/** Who has one of these files open and does not let go. Sessions of ours that outlived a killed restore are ended. */
export async function findStayingHolders(paths: readonly string[]): Promise<Holder[]> {
  let holders = await findHolders(paths)
  for (const { pid, state } of holders) if (state === 'orphan') endProcess(pid)
  const deadline = performance.now() + STAYS_MS
  for (let looks = 0; holders.length > 0 && (performance.now() < deadline || looks < STAYS_LOOKS); looks++) {
    await setTimeout(LOOK_PAUSE_MS)
    holders = holders.map(each => ({ ...each, open: stillOpen(each) })).filter(({ open }) => open.length > 0)
  }
  return holders
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // Gone by itself, or another user's: then it is reported as a holder.
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error
  }
}

/**
 * The partial file, checked and durable, becomes the target. With `keepAs`, what was there stays beside it; without, it is
 * gone.
 */
export async function putInPlace(
  target: Target,
  request: Pick<RestoreRequest, 'keepAs' | 'lastLook' | 'signal'>,
): Promise<Kept[]> {
  const kept = request.keepAs === undefined ? oldOf(target.path) : keptPathOf(target.path, request.keepAs).kept
  if (await isStandIn(target.path)) {
    await rename(target.partial, target.path)
    await syncFolder(dirname(target.path))
  } else if (target.existing) {
    await rm(oldOf(target.path), { force: true })
    await swapDatabase({ fresh: target.partial, path: target.path, kept, ...request })
  } else await putWhereNothingIs(target)
  if (request.keepAs === undefined) {
    for (const file of databaseFiles(kept)) await rm(file, { force: true })
    return []
  }
  return (await statOrNothing(kept)) === undefined ? [] : [{ target: target.path, kept }]
}

/** What came there since we looked is nobody's to replace. A log or journal without its database would spoil the new one. */
async function putWhereNothingIs(target: Target): Promise<void> {
  const lone = await listSidecars(target.path)
  for (const path of lone) await rename(path, oldOf(path))
  await syncFolder(dirname(target.path))
  if (!(await nameIfFree(target.partial, target.path))) {
    throw new AppError('target-exists', `${target.path} came to be while it was restored`, {
      hint: 'A program made it: stop that one, then run the same command again.',
    })
  }
  await rm(target.partial, { force: true })
  await syncFolder(dirname(target.path))
}

/** To know what was put in place from what an application made there. Undefined for what is not there. */
export async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(ignoreMissing)
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
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
  // A link to it, or another file in its place, is refused by the kernel.
  if (code === 'EXDEV' || code === 'EBUSY') {
    return new AppError('target-invalid', `${path} is a mount point: no other file can take its place`, {
      cause: error,
      hint: 'Mount the folder that holds the database instead of the file, or choose another path with --to.',
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
