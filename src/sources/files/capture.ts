import { type BigIntStats, closeSync, fstatSync } from 'node:fs'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import type { ExtendedAttribute, NodeMeta, TreeNode } from '../../model/node.ts'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../model/restore-marker.ts'
import { IncompleteLog } from '../incomplete-log.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../source.ts'
import type { Accounts } from './accounts.ts'
import { PATHS_PER_RUN, readAttributes } from './attributes.ts'
import type { CaptureRoot } from './capture-root.ts'
import { FileContent, openQuietly } from './file-content.ts'
import { FindingLog } from './finding-log.ts'
import { findHoles } from './holes.ts'
import { metaOf } from './node-meta.ts'
import { joinRaw, type RawPath, toName } from './raw-path.ts'
import { FolderWalk, isFresh, type WalkedEntry, type WalkRules } from './walk.ts'

export interface FilesCaptureInit {
  readonly root: CaptureRoot
  readonly rules: WalkRules
  readonly accounts: Accounts
  readonly attributes: 'read' | 'tool-missing' | 'off'
}

/** One walk over a folder. Every file is of its own instant. */
export class FilesCapture implements Capture {
  readonly #init: FilesCaptureInit
  readonly #request: CaptureRequest
  readonly #capturedAt: Date
  readonly #findings = new FindingLog()
  readonly #incomplete = new IncompleteLog()

  constructor(init: FilesCaptureInit, request: CaptureRequest) {
    this.#init = init
    this.#request = request
    this.#capturedAt = request.clock.now()
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    const { root, rules, accounts } = this.#init
    const walk = new FolderWalk(root, rules, (raw, doing, error) => this.#lost(raw, doing, error), this.#request.signal)
    for await (const { walked, attributes } of this.#withAttributes(walk.entries())) {
      if (walked.raw === RESTORE_MARKER) {
        this.#halfRestored()
        continue
      }
      if (walked.raw === NEW_RESTORE_MARKER) continue
      const meta = this.#meta(walked, metaOf(walked.stat, accounts), attributes)
      const path = toName(walked.raw)
      if (meta.type !== 'file') yield { path, meta }
      else
        yield new CapturedFile(path, meta, await this.#isUnchanged(path, walked, meta), seen =>
          this.#open(walked, seen),
        )
    }
  }

  finish(): Promise<CaptureSummary> {
    if (this.#init.attributes === 'tool-missing') this.#findings.add(attributesMissing)
    const incomplete = this.#incomplete.get()
    return Promise.resolve({
      capturedAt: this.#capturedAt,
      findings: this.#findings.list(),
      complete: incomplete === undefined,
      incomplete,
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Gathers entries over folders, since one run of the tool for each small folder would take longer than the walk. */
  async *#withAttributes(walk: AsyncIterable<WalkedEntry>): AsyncGenerator<Described> {
    if (this.#init.attributes !== 'read') {
      for await (const walked of walk) yield { walked, attributes: undefined }
      return
    }
    let gathered: WalkedEntry[] = []
    for await (const walked of walk) {
      gathered.push(walked)
      if (gathered.length < PATHS_PER_RUN) continue
      yield* await this.#describe(gathered)
      gathered = []
    }
    if (gathered.length > 0) yield* await this.#describe(gathered)
  }

  async #describe(gathered: readonly WalkedEntry[]): Promise<Described[]> {
    const paths = gathered.map(walked => this.#absolute(walked.raw))
    const found = await readAttributes(paths, this.#request.signal)
    return gathered.map((walked, index) => ({ walked, attributes: found.get(paths[index] ?? '') }))
  }

  #meta(walked: WalkedEntry, { ctimeNs, ...meta }: NodeMeta, attributes: Described['attributes']): NodeMeta {
    return {
      ...meta,
      // Without a ctime no later capture takes the file for unchanged.
      ...(walked.settled && ctimeNs !== undefined ? { ctimeNs } : {}),
      ...(walked.linkTarget === undefined ? {} : { linkTarget: walked.linkTarget }),
      ...(attributes === undefined ? {} : { extendedAttributes: attributes }),
    }
  }

  async #isUnchanged(path: string, { stat }: WalkedEntry, meta: NodeMeta): Promise<boolean> {
    const { parent, type } = this.#request
    if (parent === undefined || type === 'full') return false
    const before = await parent.findNode(path)
    return before !== undefined && isSameFile(before, meta, Number(stat.size))
  }

  async #open(walked: WalkedEntry, seen: (meta: NodeMeta) => void): Promise<Content> {
    try {
      const file = await openQuietly(this.#absolute(walked.raw))
      try {
        const opened = fstatSync(file, { bigint: true })
        if (!opened.isFile()) throw new AppError('failed', 'it is no longer a regular file')
        seen(this.#metaOfOpened(walked, opened))
        return new FileContent(file, opened, await findHoles(file, opened, this.#request.signal), {
          changed: () => this.#changed(walked.raw),
          unreadable: error => this.#lostFile(walked.raw, error),
        })
      } catch (error) {
        closeSync(file)
        throw error
      }
    } catch (error) {
      throw this.#lostFile(walked.raw, error)
    }
  }

  #metaOfOpened(walked: WalkedEntry, opened: BigIntStats): NodeMeta {
    const unsettled = opened.ctimeNs === walked.stat.ctimeNs ? !walked.settled : isFresh(opened)
    return this.#meta({ ...walked, settled: !unsettled }, metaOf(opened, this.#init.accounts), undefined)
  }

  #halfRestored(): void {
    this.#incomplete.add({ path: '', reason: 'a restore into it has not finished', absent: false })
    this.#findings.add({
      severity: 'warning',
      code: 'restore-unfinished',
      subject: toName(this.#init.root.folder),
      message: 'a restore into this folder has not finished, so part of its files may be missing or not its own',
      hint: `Start the restore again; or remove ${RESTORE_MARKER} from the folder if it is as it should be.`,
    })
  }

  #changed(raw: RawPath): void {
    this.#incomplete.add({ path: toName(raw), reason: 'changed while it was read', absent: false })
    this.#findings.add({
      severity: 'warning',
      code: 'file-changed',
      subject: this.#subject(raw),
      message: 'changed while it was read, so its parts may be of different moments',
      hint: 'Back it up when nobody writes to it; for a database use a source of its kind.',
    })
  }

  #lostFile(raw: RawPath, cause: unknown): AppError {
    this.#lost(raw, 'read', cause)
    return new AppError('entry-lost', `cannot read ${this.#subject(raw)}`, { cause })
  }

  #lost(raw: RawPath, doing: string, error: unknown): void {
    const code = systemCode(error)
    const subject = this.#subject(raw)
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      this.#incomplete.add({ path: toName(raw), reason: 'removed while the folder was captured', absent: false })
      this.#findings.add({
        severity: 'warning',
        code: 'file-vanished',
        subject,
        message: 'was removed while the folder was captured, so it is not in the snapshot',
      })
      return
    }
    const denied = code === 'EACCES' || code === 'EPERM'
    const reason = denied ? 'permission denied' : (REASONS[code ?? ''] ?? messageOf(error))
    this.#incomplete.add({ path: toName(raw), reason, absent: true })
    this.#findings.add({
      severity: 'error',
      code: 'file-unreadable',
      subject,
      message: `cannot ${doing}: ${reason}, so it is not in the snapshot`,
      hint: denied ? 'Run as a user who may read it, or exclude it.' : 'Make it readable, or exclude it.',
    })
  }

  #absolute(raw: RawPath): RawPath {
    return joinRaw(this.#init.root.folder, raw)
  }

  #subject(raw: RawPath): string {
    return toName(this.#absolute(raw))
  }
}

/** A file of the walk. What it says of itself is newer after it was opened. */
class CapturedFile implements CaptureEntry {
  readonly path: string
  readonly unchanged: boolean
  #meta: NodeMeta
  readonly #open: (seen: (meta: NodeMeta) => void) => Promise<Content>

  constructor(
    path: string,
    meta: NodeMeta,
    unchanged: boolean,
    open: (seen: (meta: NodeMeta) => void) => Promise<Content>,
  ) {
    this.path = path
    this.unchanged = unchanged
    this.#meta = meta
    this.#open = open
  }

  get meta(): NodeMeta {
    return this.#meta
  }

  readonly open = (): Promise<Content> =>
    this.#open(fresher => {
      const { extendedAttributes } = this.#meta
      this.#meta = extendedAttributes === undefined ? fresher : { ...fresher, extendedAttributes }
    })
}

interface Described {
  readonly walked: WalkedEntry
  readonly attributes: readonly ExtendedAttribute[] | undefined
}

const REASONS: Readonly<Record<string, string>> = {
  ELOOP: 'it became a symlink',
  EIO: 'the disk gave an input/output error',
  ENAMETOOLONG: 'its path is too long for the system',
  ESTALE: 'the network file system lost it',
}

const attributesMissing = {
  severity: 'info',
  code: 'attributes-not-captured',
  subject: 'extended attributes',
  message: 'not captured, since getfattr is not installed',
  hint: 'Install the package "attr", or set "extendedAttributes: false" for this source.',
} as const

function isSameFile(before: TreeNode, now: NodeMeta, sizeBytes: number): boolean {
  return (
    before.type === 'file' &&
    before.content !== undefined &&
    before.sizeBytes === sizeBytes &&
    before.mtimeNs === now.mtimeNs &&
    before.ctimeNs !== undefined &&
    before.ctimeNs === now.ctimeNs &&
    before.inode !== undefined &&
    before.inode === now.inode
  )
}
