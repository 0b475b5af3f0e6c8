import { lstat, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../base/durable.ts'
import { AppError, systemCode } from '../../base/errors.ts'
import { removeFolder } from '../../base/remove-folder.ts'
import { addName } from '../../base/second-name.ts'
import type { SettledState } from '../target.ts'
import { comingTo, type KeptPath, replacedOf } from './names.ts'

/**
 * Gives `fresh` the name of a file, which keeps another one, in one step: at no moment is nothing there. False, with nothing
 * changed, where no file is there and where the file system has no hard links.
 */
export async function replaceFile(fresh: string, path: string, kept: string): Promise<boolean> {
  if ((await statOf(path))?.isFile() !== true || !(await addName(path, kept))) return false
  await syncFolder(dirname(path))
  await moveTo(fresh, path)
  return true
}

/**
 * Gives `fresh` the place of what is there, which is kept. One file is replaced in one step. A folder, or a file with
 * sidecars, goes away first: in between nothing is there, which says so, where half of the old one would not. When it fails,
 * what was there is there again.
 */
export async function swapIn(fresh: string, place: KeptPath): Promise<void> {
  const { path, kept, sidecars } = place
  try {
    if (!(await hasSidecars(path, sidecars)) && (await replaceFile(fresh, path, kept))) return
    await moveAway(place, kept)
    await moveTo(fresh, path)
  } catch (error) {
    // The first failure is the one to tell.
    await settleKeptPath(place).catch(() => {})
    throw error
  }
}

/**
 * The way back. What is there now is removed in the end, or kept as `keepNow` (a path). A log that comes back must not be
 * seen beside the file that goes: then that one goes away first.
 */
export async function putKeptBack(place: KeptPath, keepNow: string | undefined): Promise<void> {
  const { path, kept, sidecars } = place
  if (!(await exists(kept))) throw nothingKept(place)
  const aside = keepNow ?? replacedOf(path)
  // Left by one that was killed: what it was putting back is still kept, or in place.
  if (keepNow === undefined) await removeAll(aside, sidecars)
  const isOneFile = !(await hasSidecars(kept, sidecars)) && !(await hasSidecars(path, sidecars))
  if (!(isOneFile && (await replaceFile(kept, path, aside)))) {
    if (await exists(path)) await moveAway(place, aside)
    await moveIn(place)
  }
  if (keepNow === undefined) await removeAll(aside, sidecars)
}

/** What `putKeptBack` had not removed yet when it was killed. For places that `settleKeptPath` has settled. */
export async function dropReplaced({ path, sidecars }: KeptPath): Promise<void> {
  await removeAll(replacedOf(path), sidecars)
}

export async function dropKeptPath({ kept, sidecars, path }: KeptPath): Promise<void> {
  await removeAll(kept, sidecars)
  await syncFolder(dirname(path))
}

/** After a kill in the middle of `swapIn` or `putKeptBack`. Safe to repeat. */
export async function settleKeptPath(place: KeptPath): Promise<SettledState> {
  const { path } = place
  const cameBack = (await statOf(path)) === undefined && (await finishMoveIn(place))
  const [now, kept] = await Promise.all([statOf(path), statOf(place.kept)])
  if (kept === undefined) return cameBack ? 'rolled-back' : 'untouched'
  if (now === undefined) {
    // A log that is still there is of what was being replaced, and would be applied to what comes back.
    if (await exists(replacedOf(path))) await moveSidecars(path, replacedOf(path), place.sidecars)
    await moveIn(place)
    return 'rolled-back'
  }
  if (now.ino !== kept.ino || now.dev !== kept.dev) return 'finished'
  await rm(place.kept, { force: true })
  await syncFolder(dirname(path))
  return 'untouched'
}

async function moveAway({ path, sidecars }: KeptPath, to: string): Promise<void> {
  await rename(path, to)
  await moveSidecars(path, to, sidecars)
  await syncFolder(dirname(path))
}

/**
 * What belongs to it first: a database must not be seen without its log. With its own name gone, whoever settles this
 * knows that a log at the path is of what comes, not of what went.
 */
async function moveIn({ path, kept, sidecars }: KeptPath): Promise<void> {
  const hasLog = await hasSidecars(kept, sidecars)
  const from = hasLog ? comingTo(path) : kept
  if (hasLog) await moveTo(kept, from)
  await moveSidecars(kept, path, sidecars)
  await moveTo(from, path)
}

/** False when nothing was on its way. */
async function finishMoveIn({ path, kept, sidecars }: KeptPath): Promise<boolean> {
  if (!(await exists(comingTo(path)))) return false
  // What is still kept is something else, with a log of its own.
  if (!(await exists(kept))) await moveSidecars(kept, path, sidecars)
  await moveTo(comingTo(path), path)
  return true
}

/** Within one folder. Durable when it returns. */
async function moveTo(from: string, to: string): Promise<void> {
  await rename(from, to)
  await syncFolder(dirname(to))
}

async function moveSidecars(from: string, to: string, sidecars: readonly string[]): Promise<void> {
  for (const end of sidecars) await rename(from + end, to + end).catch(ignoreMissing)
}

async function hasSidecars(path: string, sidecars: readonly string[]): Promise<boolean> {
  const found = await Promise.all(sidecars.map(end => exists(path + end)))
  return found.includes(true)
}

async function removeAll(path: string, sidecars: readonly string[]): Promise<void> {
  for (const end of sidecars) await rm(path + end, { force: true })
  await removeFolder(path)
}

const exists = async (path: string): Promise<boolean> => (await statOf(path)) !== undefined

async function statOf(path: string) {
  return await lstat(path).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}

function nothingKept({ path, kept }: KeptPath): AppError {
  return new AppError('not-found', `what ${path} was before is not there any more: ${kept}`, {
    hint: 'Run "lifeboat snapshots" and restore a recovery point instead.',
  })
}
