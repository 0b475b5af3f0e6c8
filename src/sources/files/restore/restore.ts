import { chmodSync, lstatSync, mkdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../../base/errors.ts'
import { holdingPath } from '../../../base/hold-path.ts'
import { removeFolder } from '../../../base/remove-folder.ts'
import { incompleteWithin, nameNotCaptured } from '../../../model/incomplete.ts'
import type { TreeNode } from '../../../model/node.ts'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../../model/restore-marker.ts'
import { keptPathOf, oldOf, partialOf } from '../../beside/names.ts'
import { dropKeptPath, swapIn } from '../../beside/swap.ts'
import type { CheckOutcome, RestoreOutcome, RestoreRequest, SnapshotEntry, SnapshotReader } from '../../source.ts'
import { FindingLog } from '../finding-log.ts'
import { joinRaw, type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'
import { Batch, type Placed } from './batch.ts'
import { BatchWriter } from './batch-writer.ts'
import { listBrought, removeMade } from './brought-paths.ts'
import { carryOver } from './carry-over.ts'
import { EntryGuard, parentOf } from './entry-guard.ts'
import { HardLinks } from './hard-links.ts'
import { mark } from './mark.ts'
import { currentRestorer, mayGiveAway, type Restorer, restoreMode, restoreOwner } from './metadata.ts'
import { Selection } from './selection.ts'
import { SurplusRemover } from './surplus.ts'
import { closeTarget, isFatal, isFilledFolder, openTarget, type TargetFolder, targetError } from './target.ts'
import { restoreExactTimes, restoreTimes } from './times.ts'

/**
 * Writes a captured folder back. With `force` and `delta` into what is there: what is not in the snapshot stays, but for `delete`. With
 * `force` alone all of it beside, and the folders are then swapped: what comes is what was captured and nothing else.
 */
export async function restoreFolder(request: RestoreRequest): Promise<RestoreOutcome> {
  throwIfAborted(request.signal)
  return await holdingPath(request.target, async () => {
    const swaps = request.force && !request.delta && request.include.length === 0
    if (swaps && (await isFilledFolder(request.target))) return await restoreBySwap(request)
    return await writeFolder(request)
  })
}

async function restoreBySwap(request: RestoreRequest): Promise<RestoreOutcome> {
  const path = await realpath(request.target)
  const partial = partialOf(path)
  const left = await mark.read(toBuffer(toRaw(partial)))
  // Only an unfinished restore of this very snapshot can be gone on with.
  if (left?.snapshot !== request.snapshot.id || left.over) await removeFolder(partial)
  const outcome = await writeFolder({ ...request, target: partial, force: false, beforeChange: undefined })
  if (outcome.checks.some(check => !check.passed)) return { ...outcome, target: request.target }
  await request.beforeChange?.({ places: [path] })
  // After it, when nobody writes there any more; before the swap, when all can still stay as it is.
  const folders = { old: toRaw(path), fresh: toRaw(partial) }
  const carried = await carryOver(folders, request.snapshot.manifest?.incomplete, request.signal)
  const place =
    request.keepAs === undefined ? { path, kept: oldOf(path), sidecars: [] } : keptPathOf(path, request.keepAs)
  try {
    await swapIn(partial, place)
  } catch (error) {
    throw targetError(path, error)
  }
  if (request.keepAs === undefined) await dropKeptPath(place)
  const kept = request.keepAs === undefined ? [] : [{ target: path, kept: place.kept }]
  return { ...outcome, target: request.target, kept, findings: [...outcome.findings, ...carried] }
}

async function writeFolder(request: RestoreRequest): Promise<RestoreOutcome> {
  const selection = new Selection(request.include)
  const target = await openTarget(request)
  const restore = new FolderRestore(request, target, selection)
  if (request.brought !== undefined) await restore.takeBack(request.brought)
  await restore.openSurplus()
  await restore.writeAll()
  await restore.finish()
  // What the restore made was nowhere before.
  const missing = request.brought === undefined ? selection.missing() : []
  if (missing.length > 0) reportMissing(missing, request, target, restore)
  const { written, expected } = restore
  const checks = request.checks ? checksOf(request, selection, expected, written) : []
  return {
    target: request.target,
    ...written,
    checks: [...checks, ...(await askCopy(request, selection, checks))],
    findings: restore.findings.list(),
  }
}

/** Throws `not-found`, leaving no trace, when nothing that was asked for is there; else what is missing is findings. */
function reportMissing(
  missing: readonly string[],
  request: RestoreRequest,
  target: TargetFolder,
  { findings }: FolderRestore,
): void {
  const snapshot = request.snapshot.id.slice(0, 8)
  const hint = `Run "lifeboat ls ${snapshot}" to see what is in it.`
  if (missing.length === request.include.length) {
    if (target.state === 'new') rmdirSync(toBuffer(target.raw))
    const never = incompleteWithin(request.snapshot.manifest?.incomplete, { include: missing })
    const why = never === undefined ? '' : `; never captured: ${nameNotCaptured(never)}`
    throw new AppError('not-found', `not in snapshot ${snapshot}: ${missing.join(', ')}${why}`, { hint })
  }
  for (const subject of missing) {
    findings.add({
      severity: 'error',
      code: 'path-not-in-snapshot',
      subject,
      message: `not in snapshot ${snapshot}`,
      hint,
    })
  }
}

interface Totals {
  files: number
  totalBytes: number
}

class FolderRestore {
  readonly findings = new FindingLog()
  readonly expected: Totals = { files: 0, totalBytes: 0 }
  readonly #request: RestoreRequest
  readonly #target: TargetFolder
  readonly #selection: Selection
  readonly #restorer: Restorer = currentRestorer()
  readonly #writer: BatchWriter
  readonly #guard = new EntryGuard()
  readonly #links = new HardLinks()
  #surplus: SurplusRemover | undefined
  /** Directories that the stream is in, by path. Made when the first thing in them is, unless wanted themselves. */
  readonly #open = new Map<string, OpenFolder>()
  #batch = new Batch()
  #only: ReadonlySet<string> | undefined
  #root: TreeNode | undefined
  #notOwned = 0
  #sockets = 0

  constructor(request: RestoreRequest, target: TargetFolder, selection: Selection) {
    this.#request = request
    this.#target = target
    this.#selection = selection
    this.#root = request.snapshot.root
    this.#writer = new BatchWriter(request, target, this.#restorer, this.findings)
  }

  /** Where nothing was before, nothing is surplus. */
  async openSurplus(): Promise<void> {
    const { delete: wish, snapshot, include, signal } = this.#request
    if (wish === undefined || this.#target.state !== 'existing') return
    this.#surplus = await SurplusRemover.open(
      { folder: this.#target.raw, snapshot, include, wish, signal },
      this.findings,
    )
  }

  /** Only what the restore wrote or removed is written; what it made goes. */
  async takeBack(brought: SnapshotReader): Promise<void> {
    const { include, snapshot: before, removed, signal } = this.#request
    const paths = await listBrought(brought, include)
    if (removed !== undefined) for (const path of await listBrought(removed, include)) paths.add(path)
    this.#only = paths
    const removing = { folder: this.#target.raw, brought, removed, include, paths, before, signal }
    for (const subject of await removeMade(removing)) {
      this.findings.add({
        severity: 'warning',
        code: 'brought-file-kept',
        subject,
        message: 'the restore made it, and it was written to since: it stays',
        hint: 'Remove it yourself if nobody needs it.',
      })
    }
  }

  get written(): Totals & { writtenBytes: number } {
    return this.#writer.written
  }

  async writeAll(): Promise<void> {
    for await (const entry of this.#request.snapshot.entries()) {
      throwIfAborted(this.#request.signal)
      if (entry.path === '') {
        this.#root = entry.node
        continue
      }
      this.#leave(this.#guard.leave(entry))
      const isMark = entry.path === RESTORE_MARKER || entry.path === NEW_RESTORE_MARKER
      const rejected = isMark ? 'it is the mark of an unfinished restore' : this.#guard.reject(entry)
      if (rejected === undefined) {
        await this.#makeWay(entry)
        this.#take(entry)
      } else this.#reject(entry, rejected)
      if (this.#batch.isFull) await this.#flush()
    }
    this.#leave([...this.#open.keys()].reverse())
    await this.#flush()
    await this.#surplus?.removeAll()
  }

  async #makeWay({ path, node }: SnapshotEntry): Promise<void> {
    if (this.#surplus === undefined || node.type === 'dir' || !this.#selection.has(path)) return
    await this.#surplus.makeWay(this.#place(path))
  }

  /** The mark of an unfinished restore goes, then the root gets its own metadata. */
  async finish(): Promise<void> {
    this.#reportSkipped()
    try {
      await closeTarget(this.#target)
    } catch (error) {
      throw targetError(this.#request.target, error)
    }
    try {
      await this.#finishRoot(this.#target)
    } catch (error) {
      this.findings.add({
        severity: 'warning',
        code: 'metadata-not-restored',
        subject: this.#request.target,
        message: messageOf(error),
        hint: 'The folder itself belongs to somebody else; all that is in it was restored.',
      })
    }
  }

  async #finishRoot({ raw, state, mode }: TargetFolder): Promise<void> {
    const node = this.#selection.isWhole ? this.#root : undefined
    if (node === undefined) {
      if (state !== 'existing' || (mode & 0o700) !== 0o700) chmodSync(toBuffer(raw), mode)
      return
    }
    restoreOwner(raw, node, this.#restorer)
    await restoreExactTimes([{ raw, node }], this.#request.signal)
    if (lstatSync(toBuffer(raw), { bigint: true }).mtimeNs !== node.mtimeNs) restoreTimes(raw, node)
    restoreMode(raw, node, this.#restorer)
  }

  #take({ path, node }: SnapshotEntry): void {
    const wanted = this.#only === undefined ? this.#selection.has(path) : this.#only.has(path)
    if (node.type === 'dir') {
      this.#guard.enter(path)
      this.#open.set(path, { placed: { raw: this.#place(path), node }, made: undefined })
      if (wanted) this.#makeFolders(path)
      return
    }
    if (!wanted) return
    if (node.type === 'file') this.#expect(node)
    if (node.type === 'socket' || node.type === 'irregular') this.#sockets += 1
    else if (this.#makeFolders(parentOf(path))) this.#add({ raw: this.#place(path), node })
  }

  #add(placed: Placed): void {
    this.#countOwner(placed.node)
    if (placed.node.type !== 'file') {
      this.#batch.others.push(placed)
      return
    }
    const leader = this.#links.leaderOf(placed)
    if (leader === undefined) this.#batch.addFile(placed)
    else this.#batch.links.push({ ...placed, leader })
  }

  #expect(node: TreeNode): void {
    this.expected.files += 1
    this.expected.totalBytes += node.sizeBytes ?? 0
  }

  /** Makes a directory of the snapshot and those around it. False when that can't be done; it is a finding then. */
  #makeFolders(path: string): boolean {
    const folder = this.#open.get(path)
    if (folder === undefined) return true
    if (folder.made !== undefined) return folder.made
    if (!this.#makeFolders(parentOf(path))) {
      folder.made = false
      return false
    }
    try {
      makeFolder(folder.placed.raw)
      this.#countOwner(folder.placed.node)
      folder.made = true
    } catch (error) {
      if (isFatal(error)) throw targetError(this.#request.target, error)
      this.findings.add({
        severity: 'error',
        code: 'entry-not-restored',
        subject: toName(folder.placed.raw),
        message: `folder not made: ${messageOf(error)}`,
      })
      folder.made = false
    }
    return folder.made
  }

  #leave(paths: readonly string[]): void {
    for (const path of paths) {
      const folder = this.#open.get(path)
      this.#open.delete(path)
      if (folder?.made === true) this.#batch.left.push(folder.placed)
    }
  }

  async #flush(): Promise<void> {
    const batch = this.#batch
    this.#batch = new Batch()
    await this.#writer.write(batch)
  }

  #place(path: string): RawPath {
    return joinRaw(this.#target.raw, toRaw(path))
  }

  #reject({ path }: SnapshotEntry, why: string): void {
    this.findings.add({
      severity: 'error',
      code: 'entry-rejected',
      subject: path,
      message: `not restored: ${why}`,
      hint: 'No backup program writes such a name; find out who could write to the repository.',
    })
  }

  #countOwner(node: TreeNode): void {
    if (!mayGiveAway(this.#restorer) && node.uid !== this.#restorer.uid) this.#notOwned += 1
  }

  #reportSkipped(): void {
    if (this.#notOwned > 0) {
      this.findings.add({
        severity: 'info',
        code: 'owner-not-restored',
        subject: `${this.#notOwned} files and folders`,
        message: 'belong to another user in the snapshot and to you now',
        hint: 'Restore as root to bring owners back.',
      })
    }
    if (this.#sockets > 0) {
      this.findings.add({
        severity: 'info',
        code: 'socket-not-restored',
        subject: `${this.#sockets} sockets`,
        message: 'left out: the program that listens makes its own',
      })
    }
  }
}

interface OpenFolder {
  readonly placed: Placed
  /** Undefined: not tried yet. */
  made: boolean | undefined
}

/** Makes a folder that only we can look into while we work, in place of whatever else is there but a folder. */
function makeFolder(raw: RawPath): void {
  try {
    mkdirSync(toBuffer(raw), 0o700)
    return
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  const there = lstatSync(toBuffer(raw))
  if (there.isDirectory()) {
    if ((there.mode & 0o700) !== 0o700) chmodSync(toBuffer(raw), (there.mode & 0o7777) | 0o700)
    return
  }
  unlinkSync(toBuffer(raw))
  mkdirSync(toBuffer(raw), 0o700)
}

function checksOf(request: RestoreRequest, selection: Selection, expected: Totals, found: Totals): CheckOutcome[] {
  const checks = [
    outcome('files restored with their size', expected.files, found.files),
    outcome('bytes restored', expected.totalBytes, found.totalBytes),
  ]
  const totals = selection.isWhole && request.brought === undefined ? request.snapshot.manifest?.totals : undefined
  if (totals !== undefined) checks.push(outcome('files in the manifest', totals.files, found.files))
  return checks
}

/** A folder of which only a part was asked for can't be held to what is said of the whole. */
async function askCopy(
  { onRestored, target }: RestoreRequest,
  selection: Selection,
  checks: readonly CheckOutcome[],
): Promise<readonly CheckOutcome[]> {
  if (onRestored === undefined || !selection.isWhole || checks.some(check => !check.passed)) return []
  return await onRestored({ path: target })
}

function outcome(name: string, expected: number, found: number): CheckOutcome {
  return { name, passed: expected === found, expected: String(expected), found: String(found) }
}
