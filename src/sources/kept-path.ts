import { link, lstat, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../base/durable.ts'
import { AppError, systemCode } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import { removeFolder } from '../base/remove-folder.ts'
import type { SettledState } from './target.ts'

/** A file or folder that a swap takes away, and where it is kept: beside it, so that a rename is enough. */
export interface KeptPath {
  readonly path: string
  readonly kept: string
  /** Endings of files that belong to the one at the path and go where it goes: `-wal`. */
  readonly sidecars: readonly string[]
}

export function keptPathOf(path: string, keptAs: string, sidecars: readonly string[] = []): KeptPath {
  return { path, kept: `${path}.${keptAs}`, sidecars }
}

/** Under what to keep it where nobody said: `before-20260904-015930-1a2b3c4d`, so that two within a second differ. */
export function newKeepAs(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15)
  return `before-${stamp}-${systemRandom.bytes(4).toString('hex')}`
}

/**
 * Gives `fresh` the place of what is there, which is kept. One file is replaced in one step. A folder, or a file with
 * sidecars, goes away first: in between nothing is there, which says so, where half of the old one would not.
 */
export async function swapIn(fresh: string, place: KeptPath): Promise<void> {
  await moveAway(place, place.kept, 'if it must')
  await rename(fresh, place.path)
  await syncFolder(dirname(place.path))
}

/**
 * The way back. What is there now is removed in the end, or kept as `keepNow` (a path). A log that comes back must not be
 * seen beside the file that goes: then that one goes away first.
 */
export async function putKeptBack(place: KeptPath, keepNow: string | undefined): Promise<void> {
  if (!(await exists(place.kept))) throw nothingKept(place)
  const aside = keepNow ?? asideOf(place.path)
  // Left by one that was killed: what it was putting back is still kept, or in place.
  if (keepNow === undefined) await removeAll(aside, place.sidecars)
  const logComes = await hasSidecars(place.kept, place.sidecars)
  if (await exists(place.path)) await moveAway(place, aside, logComes ? 'first' : 'if it must')
  await moveIn(place)
  if (keepNow === undefined) await removeAll(aside, place.sidecars)
}

/** What `putKeptBack` had not removed yet when it was killed. For places that `settleKeptPath` has settled. */
export async function dropReplaced({ path, sidecars }: KeptPath): Promise<void> {
  await removeAll(asideOf(path), sidecars)
}

/** Where what is taken away for good goes until it is removed. */
export function asideOf(path: string): string {
  return `${path}.lifeboat-replaced`
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
    if (await exists(asideOf(path))) await moveSidecars(path, asideOf(path), place.sidecars)
    await moveIn(place)
    return 'rolled-back'
  }
  if (now.ino !== kept.ino || now.dev !== kept.dev) return 'finished'
  await rm(place.kept, { force: true })
  await syncFolder(dirname(path))
  return 'untouched'
}

/** `if it must`: a file without sidecars stays until the other takes its name. */
async function moveAway({ path, sidecars }: KeptPath, to: string, goes: 'first' | 'if it must'): Promise<void> {
  const mayStay = goes === 'if it must' && !(await hasSidecars(path, sidecars))
  if (!(mayStay && (await linkFile(path, to)))) {
    await rename(path, to)
    await moveSidecars(path, to, sidecars)
  }
  await syncFolder(dirname(path))
}

/**
 * What belongs to it first: a database must not be seen without its log. With its own name gone, whoever settles this
 * knows that a log at the path is of what comes, not of what went.
 */
async function moveIn({ path, kept, sidecars }: KeptPath): Promise<void> {
  const hasLog = await hasSidecars(kept, sidecars)
  const from = hasLog ? comingTo(path) : kept
  if (hasLog) {
    await rename(kept, from)
    await syncFolder(dirname(path))
  }
  await moveSidecars(kept, path, sidecars)
  await rename(from, path)
  await syncFolder(dirname(path))
}

/** False when nothing was on its way. */
async function finishMoveIn({ path, kept, sidecars }: KeptPath): Promise<boolean> {
  if (!(await exists(comingTo(path)))) return false
  // What is still kept is something else, with a log of its own.
  if (!(await exists(kept))) await moveSidecars(kept, path, sidecars)
  await rename(comingTo(path), path)
  await syncFolder(dirname(path))
  return true
}

function comingTo(path: string): string {
  return `${path}.lifeboat-coming`
}

async function moveSidecars(from: string, to: string, sidecars: readonly string[]): Promise<void> {
  for (const end of sidecars) await rename(from + end, to + end).catch(ignoreMissing)
}

/** A second name, so that the first never is without a file. False for a folder, and where there are no hard links. */
async function linkFile(path: string, to: string): Promise<boolean> {
  if (!(await lstat(path)).isFile()) return false
  try {
    await link(path, to)
    return true
  } catch (error) {
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(systemCode(error) ?? '')) return false
    throw error
  }
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
