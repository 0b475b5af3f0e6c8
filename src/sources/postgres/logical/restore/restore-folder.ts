import { chmod, lstat, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../../../../base/durable.ts'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../../../base/errors.ts'
import { makeFolders } from '../../../../base/make-folders.ts'
import { keptPathOf } from '../../../beside/names.ts'
import { swapIn } from '../../../beside/swap.ts'
import { makeFoldersDurably, syncWritten } from '../../../beside/sync-written.ts'
import type { RestoreOutcome, RestoreRequest, SnapshotEntry } from '../../../source.ts'

/**
 * Writes the archives out for a person with pg_restore. All is written beside the target first. An older copy there is kept
 * in one piece where that is asked for, else replaced file by file.
 */
export async function restoreFolder(request: RestoreRequest): Promise<RestoreOutcome> {
  const { target, snapshot, signal } = request
  throwIfAborted(signal)
  const exists = await inspectTarget(target, request.force)
  const staging = `${target}.lifeboat-${snapshot.id.slice(0, 8)}`
  try {
    await makeFoldersDurably(staging, 0o700)
    const entries = await selectEntries(request)
    for (const { path } of entries.folders) await makeFolders(join(staging, path), 0o700)
    const files = entries.files.map(({ path, node }) => ({ node, path: join(staging, path), delta: true }))
    const bytes = await snapshot.restoreFiles(files)
    throwIfAborted(signal)
    for (const file of files) await chmod(file.path, 0o600)
    const folders = [staging, ...entries.folders.map(({ path }) => join(staging, path))]
    await syncWritten([staging], { files: files.map(({ path }) => path), folders })
    await request.beforeChange?.({ places: [target] })
    const kept = exists && request.keepAs !== undefined ? keptPathOf(target, request.keepAs) : undefined
    if (kept) await swapIn(staging, kept)
    else if (exists) await replaceFiles(staging, target, entries)
    else await rename(staging, target)
    await syncFolder(dirname(target))
    const outcome = { target, files: files.length, ...bytes, checks: [], findings: [] }
    return request.keepAs === undefined ? outcome : { ...outcome, kept: kept ? [{ target, kept: kept.kept }] : [] }
  } catch (error) {
    throw targetError(error, target)
  }
}

async function inspectTarget(target: string, force: boolean): Promise<boolean> {
  const stat = await lstat(target).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw targetError(error, target)
  })
  if (!stat) return false
  if (!stat.isDirectory()) {
    throw new AppError('target-invalid', `${target} is not a folder`, { hint: 'Name a folder, or a postgres:// url.' })
  }
  if (force) return true
  throw new AppError('target-exists', `${target} is there already`, {
    hint: 'Name a folder that does not exist, or add --force to replace the files in it.',
  })
}

async function selectEntries(request: RestoreRequest): Promise<{ folders: SnapshotEntry[]; files: SnapshotEntry[] }> {
  const folders: SnapshotEntry[] = []
  const files: SnapshotEntry[] = []
  for await (const entry of request.snapshot.entries()) {
    if (entry.node.type === 'dir') folders.push(entry)
    else if (entry.node.type === 'file' && isIncluded(entry.path, request.include)) files.push(entry)
  }
  return { folders, files }
}

function isIncluded(path: string, include: readonly string[]): boolean {
  return include.length === 0 || include.some(each => path === each || path.startsWith(`${each.replace(/\/+$/, '')}/`))
}

async function replaceFiles(
  staging: string,
  target: string,
  entries: { folders: SnapshotEntry[]; files: SnapshotEntry[] },
): Promise<void> {
  for (const { path } of entries.folders) await makeFolders(join(target, path), 0o700)
  for (const { path } of entries.files) await rename(join(staging, path), join(target, path))
  await syncWritten([target], { folders: [target, ...entries.folders.map(({ path }) => join(target, path))] })
  await rm(staging, { recursive: true, force: true })
}

function targetError(error: unknown, target: string): unknown {
  if (error instanceof AppError) return error
  const code = systemCode(error)
  if (code === undefined) return error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new AppError('target-full', `no space left for ${target}`, {
      hint: 'Make room, then try again.',
      cause: error,
    })
  }
  return new AppError('target-invalid', `cannot write ${target}: ${messageOf(error)}`, {
    hint: 'Choose another folder for --to, or mend its permissions.',
    cause: error,
  })
}
