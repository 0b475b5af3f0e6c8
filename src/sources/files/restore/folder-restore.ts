import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { messageOf, systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { TreeNode } from '../../../model/node.ts'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../../model/restore-marker.ts'
import type { RestoreRequest, SnapshotEntry, SnapshotReader } from '../../source.ts'
import { FindingLog } from '../finding-log.ts'
import { joinRaw, type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'
import { Batch, type Placed } from './batch.ts'
import { BatchWriter } from './batch-writer.ts'
import { listBrought, removeMade } from './brought-paths.ts'
import { EntryGuard, parentOf } from './entry-guard.ts'
import { HardLinks } from './hard-links.ts'
import { currentRestorer, mayGiveAway, type Restorer, restoreMode, restoreOwner } from './metadata.ts'
import type { Selection } from './selection.ts'
import { SurplusRemover } from './surplus.ts'
import { closeTarget, isFatal, type TargetFolder, targetError } from './target.ts'
import { restoreExactTimes, restoreTimes } from './times.ts'

export interface Totals {
  files: number
  totalBytes: number
}

/** Walks a snapshot and writes what is wanted of it, batch by batch, to a folder that was made ready. */
export class FolderRestore {
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
