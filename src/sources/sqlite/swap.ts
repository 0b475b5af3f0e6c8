import { rename, rm, stat } from 'node:fs/promises'
import { AppError, systemCode, throwIfAborted } from '../../base/errors.ts'
import { replaceFile, swapIn } from '../beside/swap.ts'
import type { LastLook } from '../target.ts'
import { isFault } from './faults.ts'
import type { Holder } from './holders.ts'
import { letGo } from './let-go.ts'
import { likeFile } from './restore-file.ts'
import { seal, unseal, writeStandIn } from './seal.ts'
import { Session } from './session.ts'
import { databaseState } from './target-state.ts'

/** Files that SQLite keeps beside a database, and that would be applied to whatever lies at its path. */
export const SIDECARS = ['-wal', '-shm', '-journal'] as const

/** For the transactions of an application to end. */
const LOCK_WAIT_MS = 3000

export interface Swap {
  /** A whole file beside the path that only we know of. */
  readonly fresh: string
  readonly path: string
  /** Where what is at the path goes. */
  readonly kept: string
  readonly lastLook?: LastLook | undefined
  readonly signal: AbortSignal
}

/**
 * Gives `fresh` the place of a database that applications write to. From the last look until the old file is out of its
 * place nobody can write: SQLite's own lock is held. Whoever opened the old file before and waits for the lock fails,
 * because the file is sealed before the lock goes; the new one is locked until they are gone, so that none of them meets its
 * journal. One that keeps the old file open gets it back, and the swap is `target-in-use`.
 */
export async function swapDatabase(swap: Swap): Promise<void> {
  const { path, signal } = swap
  throwIfAborted(signal)
  await unseal(path)
  // An interrupt must not take the locks away in the middle.
  const [old, coming] = [new Session(new AbortController().signal), new Session(new AbortController().signal)]
  try {
    const isHeld = await lockOrGiveUp(old, path)
    await swap.lastLook?.(isHeld ? await databaseState(path) : undefined, true)
    const canLink = isHeld && (await foldSidecars(old, path)) && (await comesLocked(coming, swap.fresh))
    if (!(canLink && (await replaceFile(swap.fresh, path, swap.kept)))) {
      return await swapIn(swap.fresh, { path, kept: swap.kept, sidecars: SIDECARS })
    }
    await seal(swap.kept)
    try {
      await letOldGo(old, [old, coming], swap.kept, path)
    } catch (error) {
      await swapBack(swap)
      throw error
    }
    await unseal(swap.kept)
  } finally {
    await old.close()
    await coming.close()
  }
}

/**
 * Ends the lock of the old file, which is sealed. Throws `target-in-use` where somebody keeps that open, and where one of
 * the locks was lost: its process was killed (out of memory, say), and kept nobody from writing.
 */
async function letOldGo(old: Session, locks: readonly Session[], sealed: string, path: string): Promise<void> {
  try {
    for (const each of locks) await each.call('release', {})
  } catch {
    throw lockLost(path)
  }
  await old.close()
  const staying = await letGo(sealed, path)
  if (staying.length > 0) throw heldBy(path, staying)
}

/** One that has the old file open can go on with it: nobody could write to the new one. */
async function swapBack({ path, kept, fresh }: Swap): Promise<void> {
  if (!(await replaceFile(kept, path, fresh))) await rename(kept, path)
  await unseal(path)
  // For whoever opened the new one meanwhile.
  await seal(fresh)
  await rm(fresh, { force: true })
}

export interface TakingAway {
  readonly path: string
  readonly to: string
  readonly standIn: string
  readonly lastLook?: LastLook | undefined
  readonly signal: AbortSignal
}

/**
 * Takes a database out of its place to be rewritten where nobody finds it; what no program takes for a database stands in
 * for it, so that nothing is committed to what is half-written. False: it stays, for SQLite can't lock it, it can't be made
 * safe in the state in which it is locked, or it has other names (hard links) by which programs would find it half-written.
 */
export async function takeAway({ path, to, standIn, lastLook, signal }: TakingAway): Promise<boolean> {
  throwIfAborted(signal)
  if ((await stat(path)).nlink > 1) return false
  const seen = await lookLocked(path, lastLook)
  if (seen === undefined) return false
  const lock = new Session(new AbortController().signal)
  try {
    const isSame = (await lockOrGiveUp(lock, path)) && (await databaseState(path)) === seen
    if (!isSame || !(await foldSidecars(lock, path))) return false
    await writeStandIn(standIn)
    await likeFile(standIn, path)
    await rm(to, { force: true })
    if (!(await replaceFile(standIn, path, to))) return false
    await seal(to)
    try {
      await letOldGo(lock, [lock], to, path)
    } catch (error) {
      await rename(to, path)
      await unseal(path)
      throw error
    }
    await unseal(to)
    return true
  } finally {
    await lock.close()
    await rm(standIn, { force: true })
  }
}

/** The state that the last look was told, under a lock that lets us read. Undefined: it is not safe in that. */
async function lookLocked(path: string, lastLook: LastLook | undefined): Promise<string | undefined> {
  const writes = new Session(new AbortController().signal)
  try {
    if (!(await writes.call('holdWrites', { path, waitMs: LOCK_WAIT_MS }))) throw lockedBy(path)
    const state = await databaseState(path)
    return lastLook === undefined || (await lastLook(state, false)) ? state : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  } finally {
    await writes.close()
  }
}

/** False: SQLite can't open it, so that no application commits to it either. Throws `target-in-use`. */
async function lockOrGiveUp(session: Session, path: string): Promise<boolean> {
  try {
    if (await session.call('holdAlone', { path, waitMs: LOCK_WAIT_MS })) return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
  throw lockedBy(path)
}

/** What is not locked can't be opened as a database, or is not in its place yet. */
async function comesLocked(session: Session, fresh: string): Promise<boolean> {
  return !(await lockOrGiveUp(session, fresh)) || (await foldSidecars(session, fresh))
}

/** With the lock held: all of the database is in its one file afterwards. False: something of it is only beside. */
async function foldSidecars(session: Session, path: string): Promise<boolean> {
  const isFolded = await session.call('foldLog', {}).catch((error: unknown) => {
    if (isFault(error)) return false
    throw error
  })
  if (!isFolded || (await stat(`${path}-wal`).catch(ignoreMissing))?.size) return false
  for (const file of await listSidecars(path)) await rm(file, { force: true })
  return true
}

/** Those that are there. */
export async function listSidecars(path: string): Promise<string[]> {
  const found = await Promise.all(
    SIDECARS.map(async end => (await stat(path + end).catch(ignoreMissing)) && path + end),
  )
  return found.filter(each => each !== undefined)
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}

const HINT =
  'Stop the application first, let "restore: { before: ..., after: ... }" of the source do it, or restore beside it with --to PATH.'

function lockLost(path: string): AppError {
  return new AppError('target-in-use', `the process that locked ${path} was killed while it was swapped`, {
    hint: 'Run the same command again. If it stays so, look at the free memory of this machine.',
  })
}

function lockedBy(path: string): AppError {
  return new AppError('target-in-use', `${path} is in use by another program`, { hint: HINT })
}

export function heldBy(path: string, holders: readonly Holder[]): AppError {
  const who = holders.map(({ program, pid }) => `${program} (process ${pid})`).join(', ')
  return new AppError('target-in-use', `${path} is in use by ${who}`, { hint: HINT })
}
