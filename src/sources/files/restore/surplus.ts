import { type BigIntStats, chmodSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { AppError, systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { TreeNode } from '../../../model/node.ts'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../../model/restore-marker.ts'
import type { DeleteRequest } from '../../context.ts'
import type { SnapshotReader } from '../../snapshot-reader.ts'
import type { SurplusSummary } from '../../target.ts'
import { OwnPaths } from '../capture-root.ts'
import type { FindingLog } from '../finding-log.ts'
import { joinRaw, type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'
import { pathsToCarry } from './carry-over.ts'
import { EntryGuard, parentOf } from './entry-guard.ts'
import { look } from './hard-links.ts'
import { Selection } from './selection.ts'
import { restoreExactTimes, restoreTimes } from './times.ts'

/**
 * What a folder has and a recovery point has not: with `--delete` a restore into the folder removes it. Never touched are:
 * what was not asked for, our own folders, what the capture lost, sockets, other file systems, and whatever changed since
 * the person was shown what would go.
 */
export interface SurplusRequest {
  /** Its real path. */
  readonly folder: RawPath
  readonly snapshot: SnapshotReader
  readonly include: readonly string[]
  readonly wish: DeleteRequest
  readonly signal: AbortSignal
}

interface SurplusEntry {
  readonly raw: RawPath
  readonly stat: BigIntStats
}

/** How many are named before a restore. */
const LISTED = 100
const AT_ONCE = 64

/** What would go, and changes nothing. */
export async function surveySurplus(request: SurplusRequest): Promise<SurplusSummary> {
  await requireFolderCapture(request)
  const finder = await SurplusFinder.open(request)
  const names: string[] = []
  let [files, folders, sizeBytes] = [0, 0, 0]
  for await (const { entries } of finder.walk()) {
    for (const { raw, stat } of entries) {
      if (stat.isDirectory()) folders += 1
      else files += 1
      sizeBytes += stat.isFile() ? Number(stat.size) : 0
      if (names.length < LISTED) names.push(toName(finder.relative(raw)) + (stat.isDirectory() ? '/' : ''))
    }
  }
  return { files, folders, sizeBytes, names }
}

/** Removes it, and says in findings what was removed and what stayed. */
export class SurplusRemover {
  readonly #finder: SurplusFinder
  readonly #findings: FindingLog
  #removed = 0

  private constructor(finder: SurplusFinder, findings: FindingLog) {
    this.#finder = finder
    this.#findings = findings
  }

  static async open(request: SurplusRequest, findings: FindingLog): Promise<SurplusRemover> {
    await requireFolderCapture(request)
    return new SurplusRemover(await SurplusFinder.open(request), findings)
  }

  /** Makes way for a file where a folder is. */
  async makeWay(raw: RawPath): Promise<void> {
    if (look(raw)?.isDirectory()) await this.#remove(await this.#finder.below(raw))
  }

  /** Last of all: whatever fails before, what is surplus is still there. */
  async removeAll(): Promise<void> {
    const touched: Array<{ readonly raw: RawPath; readonly node: TreeNode }> = []
    for await (const { folder, node, entries } of this.#finder.walk()) {
      if (entries.length === 0) continue
      const before = look(folder)
      openUp(folder, before)
      await this.#remove(entries)
      if (node !== undefined) {
        restoreTimes(folder, node)
        touched.push({ raw: folder, node })
      }
      if (before !== undefined) chmodSync(toBuffer(folder), Number(before.mode & 0o7777n))
    }
    await restoreExactTimes(touched, this.#finder.signal)
    this.#report()
  }

  /** Folders come before what is in them. */
  async #remove(entries: readonly SurplusEntry[]): Promise<void> {
    for (const { raw, stat } of entries) if (stat.isDirectory()) openUp(raw, stat)
    for (const [at, { raw, stat }] of entries.toReversed().entries()) {
      if (at % AT_ONCE === 0) await breathe()
      if (wasWritten(raw, stat)) {
        this.#finder.changed.push(raw)
        continue
      }
      try {
        if (stat.isDirectory()) rmdirSync(toBuffer(raw))
        else unlinkSync(toBuffer(raw))
        this.#removed += 1
      } catch (error) {
        this.#stays(raw, stat, error)
      }
    }
  }

  #stays(raw: RawPath, stat: BigIntStats, error: unknown): void {
    const code = systemCode(error) ?? ''
    if (code === 'ENOENT') return
    if (stat.isDirectory()) chmodSync(toBuffer(raw), Number(stat.mode & 0o7777n))
    // What stays in it is told by itself.
    if (stat.isDirectory() && (code === 'ENOTEMPTY' || code === 'EEXIST')) return
    this.#findings.add({
      severity: 'error',
      code: 'surplus-not-removed',
      subject: toName(raw),
      message: `the recovery point has not got it, and it could not be removed: ${code === '' ? String(error) : code}`,
      hint: 'Remove it yourself, or run as a user who may.',
    })
  }

  #report(): void {
    if (this.#removed > 0) {
      this.#findings.add({
        severity: 'info',
        code: 'surplus-removed',
        subject: toName(this.#finder.folder),
        message: `removed ${this.#removed} ${this.#removed === 1 ? 'entry' : 'entries'} that the recovery point has not got`,
      })
    }
    for (const raw of this.#finder.changed) {
      this.#findings.add({
        severity: 'warning',
        code: 'surplus-kept',
        subject: toName(raw),
        message:
          'the recovery point has not got it, but it came or changed after you were shown what would go: it stays',
        hint: 'Run the same command again to remove it too.',
      })
    }
  }
}

/** What is surplus in one folder of the snapshot, with all that is below it. */
interface FolderSurplus {
  readonly folder: RawPath
  /** Of the snapshot. Undefined for the root, which gets its metadata last. */
  readonly node: TreeNode | undefined
  readonly entries: readonly SurplusEntry[]
}

class SurplusFinder {
  readonly folder: RawPath
  /** What stays because it came or changed since `seenAt`. */
  readonly changed: RawPath[] = []
  readonly #request: SurplusRequest
  readonly #own: OwnPaths
  readonly #lost: ReadonlySet<RawPath>
  readonly #device: bigint | undefined

  private constructor(request: SurplusRequest, own: OwnPaths) {
    this.folder = request.folder
    this.#request = request
    this.#own = own
    this.#lost = lostPaths(request.snapshot)
    this.#device = look(request.folder)?.dev
  }

  static async open(request: SurplusRequest): Promise<SurplusFinder> {
    return new SurplusFinder(request, await OwnPaths.of(request.wish.spare))
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  relative(raw: RawPath): RawPath {
    return raw.slice(this.folder.length).replace(/^\//, '')
  }

  /** Folder by folder of the snapshot, the deepest first; no more than one folder's is in memory. */
  async *walk(): AsyncGenerator<FolderSurplus> {
    const { snapshot, include, signal } = this.#request
    const selection = new Selection(include)
    const guard = new EntryGuard()
    const open = new Map<string, OpenFolder>()
    if (selection.isWhole) open.set('', { node: undefined, names: new Set([RESTORE_MARKER, NEW_RESTORE_MARKER]) })
    for await (const entry of snapshot.entries()) {
      throwIfAborted(signal)
      if (entry.path === '') continue
      for (const left of guard.leave(entry)) yield* this.#leave(left, open)
      const name = toRaw(entry.path.slice(entry.path.lastIndexOf('/') + 1))
      open.get(parentOf(entry.path))?.names.add(name)
      if (guard.reject(entry) !== undefined) continue
      if (entry.node.type === 'dir') {
        guard.enter(entry.path)
        if (selection.has(entry.path)) open.set(entry.path, { node: entry.node, names: new Set() })
      } else if (selection.has(entry.path)) yield* this.#inTheWay(joinRaw(this.folder, toRaw(entry.path)))
    }
    for (const left of [...open.keys()].reverse()) yield* this.#leave(left, open)
  }

  async *#leave(path: string, open: Map<string, OpenFolder>): AsyncGenerator<FolderSurplus> {
    const left = open.get(path)
    open.delete(path)
    const folder = joinRaw(this.folder, toRaw(path))
    // Through a link, it would be somebody else's.
    if (left === undefined || !look(folder)?.isDirectory()) return
    const entries: SurplusEntry[] = []
    for (const name of readNames(folder)) if (!left.names.has(name)) await this.#collect(joinRaw(folder, name), entries)
    yield { folder, node: left.node, entries }
  }

  /** A folder where the snapshot has none. */
  async *#inTheWay(raw: RawPath): AsyncGenerator<FolderSurplus> {
    if (!look(raw)?.isDirectory()) return
    const folder = raw.slice(0, raw.lastIndexOf('/'))
    yield { folder, node: undefined, entries: await this.below(raw) }
  }

  /** What is in a folder, and itself. */
  async below(folder: RawPath): Promise<readonly SurplusEntry[]> {
    const entries: SurplusEntry[] = []
    await this.#collect(folder, entries)
    return entries
  }

  /** An entry that stays is not told: that the folders around it stay with it is told by removing them. */
  async #collect(raw: RawPath, into: SurplusEntry[]): Promise<void> {
    throwIfAborted(this.#request.signal)
    const stat = look(raw)
    if (stat === undefined || this.#isSpared(raw, stat)) return
    if (stat.isDirectory()) {
      into.push({ raw, stat })
      if (into.length % AT_ONCE === 0) await breathe()
      for (const name of readNames(raw)) await this.#collect(joinRaw(raw, name), into)
    } else if (this.#changedSince(stat)) this.changed.push(raw)
    else into.push({ raw, stat })
  }

  #isSpared(raw: RawPath, stat: BigIntStats): boolean {
    return stat.dev !== this.#device || stat.isSocket() || this.#own.has(stat) || this.#lost.has(this.relative(raw))
  }

  #changedSince({ ctimeMs }: BigIntStats): boolean {
    const { seenAt } = this.#request.wish
    return seenAt !== undefined && Number(ctimeMs) > seenAt.getTime()
  }
}

interface OpenFolder {
  readonly node: TreeNode | undefined
  readonly names: Set<RawPath>
}

/** Since it was looked at: others may take long to remove. Its ctime tells nothing, for removing another name of it counts. */
function wasWritten(raw: RawPath, before: BigIntStats): boolean {
  const now = before.isDirectory() ? undefined : look(raw)
  if (now === undefined) return false
  return now.ino !== before.ino || now.mtimeNs !== before.mtimeNs || now.size !== before.size
}

function readNames(folder: RawPath): RawPath[] {
  try {
    return readdirSync(toBuffer(folder), { encoding: 'latin1' })
  } catch (error) {
    throw new AppError(
      'target-invalid',
      `cannot tell what is surplus in ${toName(folder)}: ${systemCode(error) ?? ''}`,
      {
        hint: 'Run as a user who may read it, or leave out --delete.',
        cause: error,
      },
    )
  }
}

/** A folder of ours that is closed to ourselves. */
function openUp(folder: RawPath, stat: BigIntStats | undefined): void {
  if (stat === undefined || (stat.mode & 0o700n) === 0o700n) return
  try {
    chmodSync(toBuffer(folder), Number(stat.mode & 0o7777n) | 0o700)
  } catch {
    // Somebody else's: the removal says what is wrong with it.
  }
}

/** What was there and is not in the snapshot is nobody's surplus. `target-invalid` where the list of it is cut off. */
function lostPaths({ id, manifest }: SnapshotReader): ReadonlySet<RawPath> {
  const lost = pathsToCarry(manifest?.incomplete)
  if (!lost.includes('')) return new Set(lost.map(toRaw))
  throw new AppError(
    'target-invalid',
    `snapshot ${id.slice(0, 8)} lacks more than it lists: nobody can tell what is surplus`,
    {
      hint: 'Leave out --delete, or restore another recovery point.',
    },
  )
}

/** Of a source that is one file, all else in the folder around it would be surplus. */
async function requireFolderCapture({ snapshot, include }: SurplusRequest): Promise<void> {
  if (!new Selection(include).isWhole) return
  const first: Array<TreeNode['type']> = []
  for await (const { path, node } of snapshot.entries()) {
    if (path !== '') first.push(node.type)
    if (first.length > 1) return
  }
  if (first.length === 0 || first[0] === 'dir') return
  throw new AppError(
    'unsupported',
    `snapshot ${snapshot.id.slice(0, 8)} is of one file: all else in the folder would be removed`,
    {
      hint: 'Leave out --delete, or remove what you want to be rid of yourself.',
    },
  )
}
