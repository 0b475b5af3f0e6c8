import { chmod, lstat, readdir, realpath, stat } from 'node:fs/promises'
import { syncFolder } from '../../../base/durable.ts'
import { AppError, messageOf, systemCode } from '../../../base/errors.ts'
import { FILE_SIZE_HINT, FILE_TOO_LARGE } from '../../../base/sizes.ts'
import { isEmpty } from '../../beside/marker.ts'
import { makeFoldersDurably } from '../../beside/sync-written.ts'
import type { RestoreRequest } from '../../source.ts'
import { type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { ends, type Mark, mark, markOver, partsOf } from './mark.ts'

/** How the target was found. `resumed`: by an interrupted restore of the same snapshot, with nothing else in it. */
export type TargetState = 'new' | 'empty' | 'resumed' | 'existing'

export interface TargetFolder {
  readonly raw: RawPath
  readonly state: TargetState
  /** Permissions to leave it with, unless the snapshot says which. */
  readonly mode: number
  /** Left by another restore, and not made good by this one. */
  readonly unfinished: Mark | undefined
}

/**
 * Makes the target ready: with the mark of an unfinished restore, durable before anything is changed, and where we are
 * alone in it a folder that only we can look into.
 */
export async function openTarget(request: RestoreRequest): Promise<TargetFolder> {
  const { target } = request
  try {
    const found = await findTarget(target)
    if (found === 'file') throw notAFolder(target)
    const before = found === undefined ? undefined : await mark.read(toBuffer(toRaw(target)))
    const state = found === undefined ? 'new' : await stateOf(request, before)
    await request.beforeChange?.({ places: [target] })
    if (found === undefined) await makeFoldersDurably(toRaw(target), 0o777, toBuffer)
    const raw = await realpath(toBuffer(toRaw(target)), { encoding: 'latin1' })
    const mode = state === 'resumed' ? 0o777 & ~process.umask() : (await stat(toBuffer(raw))).mode & 0o7777
    await makeOurs(raw, state, mode)
    const mine = { snapshot: request.snapshot.id, over: state === 'existing', parts: partsOf(request.include) }
    await mark.write(toBuffer(raw), markOver(mine, before))
    return { raw, state, mode, unfinished: before !== undefined && !ends(mine, before) ? before : undefined }
  } catch (error) {
    throw targetError(target, error)
  }
}

/** Is there a folder with something in it? */
export async function isFilledFolder(target: string): Promise<boolean> {
  try {
    if ((await findTarget(target)) !== 'folder') return false
    return (await readdir(toBuffer(toRaw(target)))).length > 0
  } catch (error) {
    throw targetError(target, error)
  }
}

/** Lets us in, and nobody else where nobody has worked with it so far. */
async function makeOurs(raw: RawPath, state: TargetState, mode: number): Promise<void> {
  const wanted = state === 'existing' ? mode | 0o700 : 0o700
  if (wanted === mode && state === 'existing') return
  await chmod(toBuffer(raw), wanted).catch((error: unknown) => {
    // A folder that somebody else made for us stays as open as they want it.
    if (state === 'new' || systemCode(error) !== 'EPERM') throw error
  })
}

/** The last step: all else is durable. */
export async function closeTarget({ raw, unfinished }: TargetFolder): Promise<void> {
  const folder = toBuffer(raw)
  await syncFolder(folder)
  if (unfinished === undefined) await mark.remove(folder)
  else await mark.write(folder, unfinished)
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
  if (code === 'EFBIG') {
    return new AppError('target-invalid', `cannot write to ${target}: ${FILE_TOO_LARGE}`, {
      hint: FILE_SIZE_HINT,
      cause: error,
    })
  }
  if (code === 'ENAMETOOLONG') {
    return new AppError('target-invalid', `the path is too long to restore to: ${target}`, {
      hint: 'Choose a shorter one with --to.',
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

async function stateOf(request: RestoreRequest, before: Mark | undefined): Promise<TargetState> {
  const names = await readdir(toBuffer(toRaw(request.target)), { encoding: 'latin1' })
  if (isEmpty(names)) return 'empty'
  if (before?.snapshot === request.snapshot.id && !before.over) return 'resumed'
  if (request.force) return 'existing'
  throw new AppError('target-exists', `folder is not empty: ${request.target}`, { hint: hintFor(before) })
}

function hintFor(before: Mark | undefined): string {
  if (before === undefined) return 'Choose a new folder, or add --force: what is not in the snapshot stays.'
  const what = `It holds an unfinished restore of snapshot ${before.snapshot.slice(0, 8)}`
  return before.over ? `${what} over other files: add --force to go on.` : `${what}: restore that one, or add --force.`
}

function notAFolder(target: string): AppError {
  return new AppError('target-invalid', `not a folder: ${target}`, { hint: 'Choose a folder with --to.' })
}
