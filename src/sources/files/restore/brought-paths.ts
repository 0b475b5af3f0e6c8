import { rmdirSync, unlinkSync } from 'node:fs'
import { systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { SnapshotReader } from '../../snapshot-reader.ts'
import type { Written, WrittenRequest } from '../../target.ts'
import { joinRaw, type RawPath, toBuffer, toRaw } from '../raw-path.ts'
import { EntryGuard, parentOf } from './entry-guard.ts'
import { look } from './hard-links.ts'
import { Selection } from './selection.ts'
import { sameTime } from './times.ts'

/** What a restore wrote into a folder: these paths of a snapshot, with the folders around them. */
export async function listBrought(brought: SnapshotReader, include: readonly string[]): Promise<Set<string>> {
  const paths = new Set<string>()
  for await (const { path } of selected(brought, include)) {
    for (let at = path; at !== '' && !paths.has(at); at = parentOf(at)) paths.add(at)
  }
  return paths
}

async function* selected(
  reader: SnapshotReader,
  include: readonly string[],
): AsyncGenerator<{ readonly path: string; readonly node: TreeNode }> {
  const selection = new Selection(include)
  const guard = new EntryGuard()
  for await (const entry of reader.entries()) {
    if (entry.path === '') continue
    guard.leave(entry)
    if (guard.reject(entry) !== undefined) continue
    if (entry.node.type === 'dir') guard.enter(entry.path)
    if (selection.has(entry.path)) yield entry
  }
}

export interface Removing {
  readonly folder: RawPath
  /** Of the restore that is taken back. */
  readonly brought: SnapshotReader
  readonly include: readonly string[]
  readonly paths: ReadonlySet<string>
  /** What was there before. */
  readonly before: SnapshotReader
  readonly signal: AbortSignal
}

/**
 * Removes what the restore made where nothing was. What is not as it came stays, and so does a folder with something in it:
 * both are somebody else's by now. Gives the paths that stay for that reason.
 */
export async function removeMade({ folder, brought, include, paths, before, signal }: Removing): Promise<string[]> {
  const made = new Set(paths)
  for await (const { path } of before.entries()) made.delete(path)
  const real = new Map<string, boolean>([['', true]])
  const isReal = (path: string): boolean => {
    const known = real.get(path)
    if (known !== undefined) return known
    const is = isReal(parentOf(path)) && look(joinRaw(folder, toRaw(path)))?.isDirectory() === true
    real.set(path, is)
    return is
  }
  const kept: string[] = []
  for await (const { path, node } of selected(brought, include)) {
    throwIfAborted(signal)
    // Through a link that came since, it would be a file elsewhere.
    if (node.type === 'dir' || !made.has(path) || !isReal(parentOf(path))) continue
    const raw = joinRaw(folder, toRaw(path))
    const there = look(raw)
    if (there === undefined) continue
    if (isAsBrought(there, node)) unlinkSync(toBuffer(raw))
    else kept.push(path)
  }
  for (const path of [...made].toSorted((a, b) => b.length - a.length)) {
    if (isReal(path)) removeIfEmpty(joinRaw(folder, toRaw(path)))
  }
  return kept
}

function isAsBrought(there: NonNullable<ReturnType<typeof look>>, node: TreeNode): boolean {
  if (node.type === 'symlink') return there.isSymbolicLink()
  if (node.type !== 'file') return !there.isFile() && !there.isDirectory()
  return there.isFile() && there.size === BigInt(node.sizeBytes ?? 0) && sameTime(there.mtimeNs, node.mtimeNs)
}

function removeIfEmpty(raw: RawPath): void {
  try {
    rmdirSync(toBuffer(raw))
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error
  }
}

/** Of the files that the restore wrote: what was written to since, and what is gone. */
export async function broughtWrittenSince(
  { target, since, signal }: WrittenRequest,
  { brought, include }: NonNullable<WrittenRequest['files']>,
): Promise<Written[]> {
  let [written, gone] = [0, 0]
  for await (const { path, node } of selected(brought, include)) {
    throwIfAborted(signal)
    if (node.type === 'dir') continue
    const there = look(joinRaw(toRaw(target), toRaw(path)))
    if (there === undefined) gone += 1
    else if (Number(there.ctimeMs) > since.getTime()) written += 1
  }
  return written + gone === 0 ? [] : [{ name: 'files', written, gone }]
}
