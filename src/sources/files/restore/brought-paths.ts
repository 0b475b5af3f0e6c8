import { rmdirSync, unlinkSync } from 'node:fs'
import { systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { SnapshotReader } from '../../snapshot-reader.ts'
import type { Written, WrittenFiles, WrittenRequest } from '../../target.ts'
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

/** What either of them has; where both do, the first says how. */
async function* both(
  first: SnapshotReader,
  second: SnapshotReader | undefined,
  include: readonly string[],
): ReturnType<typeof selected> {
  yield* selected(first, include)
  if (second === undefined) return
  const told = await listBrought(first, include)
  for await (const entry of selected(second, include)) if (!told.has(entry.path)) yield entry
}

export interface Removing {
  readonly folder: RawPath
  /** Of the restore that is taken back. */
  readonly brought: SnapshotReader
  /** As in `RestoreRequest`: what an undo of it had brought back. */
  readonly removed?: SnapshotReader | undefined
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
export async function removeMade(removing: Removing): Promise<string[]> {
  const { folder, brought, removed, include, paths, before, signal } = removing
  const made = new Set(paths)
  // A folder that was no folder before goes too, for what was there in its place.
  const others = new Set<string>()
  for await (const { path, node } of before.entries()) {
    made.delete(path)
    if (node.type !== 'dir' && paths.has(path)) others.add(path)
  }
  const real = new Map<string, boolean>([['', true]])
  const isReal = (path: string): boolean => {
    const known = real.get(path)
    if (known !== undefined) return known
    const is = isReal(parentOf(path)) && look(joinRaw(folder, toRaw(path)))?.isDirectory() === true
    real.set(path, is)
    return is
  }
  const kept: string[] = []
  for await (const { path, node } of both(brought, removed, include)) {
    throwIfAborted(signal)
    // Through a link that came since, it would be a file elsewhere.
    if (node.type === 'dir' || !made.has(path) || !isReal(parentOf(path))) continue
    const raw = joinRaw(folder, toRaw(path))
    const there = look(raw)
    if (there === undefined) continue
    if (isAsBrought(there, node)) unlinkSync(toBuffer(raw))
    else kept.push(path)
  }
  for (const path of [...made, ...others].toSorted((a, b) => b.length - a.length)) {
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
  { brought, include, removed }: WrittenFiles,
): Promise<Written[]> {
  let [written, gone] = [0, 0]
  if (removed !== undefined) written += await countBackAgain(target, brought, removed, include)
  for await (const { path, node } of selected(brought, include)) {
    throwIfAborted(signal)
    if (node.type === 'dir') continue
    const there = lookBelow(target, path)
    if (there === undefined) gone += 1
    else if (Number(there.ctimeMs) > since.getTime()) written += 1
  }
  return written + gone === 0 ? [] : [{ name: 'files', written, gone }]
}

/** Of what the restore removed: what somebody made again since. */
async function countBackAgain(
  target: string,
  brought: SnapshotReader,
  removed: SnapshotReader,
  include: readonly string[],
): Promise<number> {
  const came = await listBrought(brought, include)
  let count = 0
  for await (const { path, node } of selected(removed, include)) {
    if (node.type === 'dir' || came.has(path)) continue
    if (lookBelow(target, path) !== undefined) count += 1
  }
  return count
}

/** A folder on the way that is something else by now has nothing in it. */
function lookBelow(target: string, path: string): ReturnType<typeof look> {
  try {
    return look(joinRaw(toRaw(target), toRaw(path)))
  } catch (error) {
    if (systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}
