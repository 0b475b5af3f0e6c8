import { type BigIntStats, chmodSync, symlinkSync, unlinkSync } from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { Finding } from '../../../model/finding.ts'
import type { TreeNode } from '../../../model/node.ts'
import { syncWritten } from '../../beside/sync-written.ts'
import type { FileToRestore, RestoreRequest } from '../../source.ts'
import { canWriteAttributes, writeAttributes } from '../attributes.ts'
import type { FindingLog } from '../finding-log.ts'
import { typeOf } from '../node-meta.ts'
import { toBuffer, toName, toRaw } from '../raw-path.ts'
import type { Batch, Placed } from './batch.ts'
import { look, makeHardLink } from './hard-links.ts'
import { fittingMode, mayGiveAway, type Restorer, restoreMode, restoreOwner } from './metadata.ts'
import { makeSpecialFiles } from './special-files.ts'
import { isFatal, type TargetFolder, targetError } from './target.ts'
import { restoreExactTimes, restoreTimes, sameTime } from './times.ts'

/**
 * Metadata is set by direct calls, which return at once and cost a fraction of Node's thread pool; after this many all
 * else gets its turn.
 */
const IN_A_ROW = 64

type Failure = Pick<Finding, 'severity' | 'code'>
const ENTRY: Failure = { severity: 'error', code: 'entry-not-restored' }
/** The content is there, with another owner, mode or time. */
const METADATA: Failure = { severity: 'warning', code: 'metadata-not-restored' }

export interface Written {
  files: number
  totalBytes: number
  writtenBytes: number
}

/**
 * Writes batches of a restore. Times are set last and only after the content is durable: a file with the right size and
 * time in a resumed target is therefore whole and finished.
 */
export class BatchWriter {
  readonly written: Written = { files: 0, totalBytes: 0, writtenBytes: 0 }
  readonly #request: RestoreRequest
  readonly #target: TargetFolder
  readonly #restorer: Restorer
  readonly #findings: FindingLog

  constructor(request: RestoreRequest, target: TargetFolder, restorer: Restorer, findings: FindingLog) {
    this.#request = request
    this.#target = target
    this.#restorer = restorer
    this.#findings = findings
  }

  async write(batch: Batch): Promise<void> {
    const { left: folders, links } = batch
    const made = [...(await this.#writeFiles(batch.files)), ...(await this.#makeOthers(batch.others))]
    await this.#each(links, link => {
      if (makeHardLink(link) === 'copied') made.push(link)
    })
    await this.#each([...made, ...folders], ({ raw, node }) => restoreOwner(raw, node, this.#restorer), METADATA)
    await this.#writeAttributes([...made, ...folders])
    await this.#each(made, placed => this.#restoreMode(placed), METADATA)
    await this.#restoreTimes([...made, ...folders])
    await this.#each([...batch.files, ...links], placed => this.#count(placed))
    await this.#syncFolders([...made, ...links, ...folders])
    // A directory may become one that we can't enter any more: after all that is in it.
    await this.#each(folders, placed => this.#restoreMode(placed), METADATA)
  }

  /** Returns the files that need their metadata. */
  async #writeFiles(files: readonly Placed[]): Promise<Placed[]> {
    const written: Placed[] = []
    const wanted: FileToRestore[] = []
    await this.#each(files, file => {
      const how = this.#makeWay(file)
      if (how === 'finished') return
      written.push(file)
      wanted.push({ node: file.node, path: toName(file.raw), delta: how === 'delta' })
    })
    if (wanted.length === 0) return []
    const { writtenBytes } = await this.#request.snapshot.restoreFiles(wanted)
    this.written.writtenBytes += writtenBytes
    await syncWritten([toBuffer(this.#target.raw)], { files: written.map(file => toBuffer(file.raw)) })
    return written
  }

  /** What to do with the file, after whatever else was in its place is gone. */
  #makeWay({ raw, node }: Placed): 'new' | 'delta' | 'whole' | 'finished' {
    const there = look(raw)
    if (there === undefined) return 'new'
    const size = BigInt(node.sizeBytes ?? 0)
    const same = there.isFile() && there.size === size && sameTime(there.mtimeNs, node.mtimeNs)
    if (same && this.#target.state === 'resumed') return 'finished'
    if (there.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
    // Writing through a hard link would change a file that may be outside of the target.
    if (!there.isFile() || there.nlink > 1n) {
      unlinkSync(toBuffer(raw))
      return 'new'
    }
    const mode = modeMeanwhile(there, node, this.#restorer)
    if (mode !== Number(there.mode & 0o7777n)) chmodSync(toBuffer(raw), mode)
    return this.#request.delta ? 'delta' : 'whole'
  }

  /** Symlinks, fifos and devices. Returns those that are there afterwards. */
  async #makeOthers(others: readonly Placed[]): Promise<Placed[]> {
    const special: Placed[] = []
    await this.#each(others, other => {
      const there = look(other.raw)
      if (there?.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
      if (there !== undefined) unlinkSync(toBuffer(other.raw))
      if (other.node.type === 'symlink') symlinkSync(toBuffer(toRaw(other.node.linkTarget ?? '')), toBuffer(other.raw))
      else special.push(other)
    })
    if (special.length > 0) await this.#makeSpecial(special)
    return others.filter(({ raw, node }) => {
      const there = look(raw)
      return there !== undefined && typeOf(there) === node.type
    })
  }

  async #makeSpecial(special: readonly Placed[]): Promise<void> {
    const complaint = await makeSpecialFiles(special, this.#request.signal)
    if (complaint === '') return
    this.#findings.add({
      severity: 'warning',
      code: 'special-file-not-restored',
      subject: special.length === 1 ? toName(special[0]?.raw ?? '') : `some of ${special.length} fifos and devices`,
      message: `not made: ${complaint.split('\n', 1)[0] ?? ''}`,
      hint: 'Restore as root where devices are needed.',
    })
  }

  /** The place was made by us, but somebody may have put a symlink there since. */
  #restoreMode({ raw, node }: Placed): void {
    const there = look(raw)
    if (there === undefined || typeOf(there) !== node.type) throw new AppError('target-invalid', 'it was replaced')
    restoreMode(raw, node, this.#restorer)
  }

  async #restoreTimes(placed: readonly Placed[]): Promise<void> {
    await restoreExactTimes(placed, this.#request.signal)
    await this.#each(
      placed,
      ({ raw, node }) => {
        if (look(raw)?.mtimeNs !== node.mtimeNs) restoreTimes(raw, node)
      },
      METADATA,
    )
  }

  #count({ raw, node }: Placed): void {
    const there = look(raw)
    if (!there?.isFile() || there.size !== BigInt(node.sizeBytes ?? 0)) return
    this.written.files += 1
    this.written.totalBytes += Number(there.size)
  }

  async #writeAttributes(placed: readonly Placed[]): Promise<void> {
    const attributes = new Map(
      placed.flatMap(({ raw, node: { extendedAttributes: list } }) => (list?.length ? [[raw, list] as const] : [])),
    )
    if (attributes.size === 0) return
    const complaints = (await canWriteAttributes())
      ? await writeAttributes(attributes, this.#request.signal)
      : [`setfattr is not installed (${attributes.size} files have attributes)`]
    for (const complaint of complaints) {
      this.#findings.add({
        severity: 'warning',
        code: 'attributes-not-restored',
        subject: 'extended attributes',
        message: complaint,
        hint: 'Install the package "attr"; some attributes and file systems need root.',
      })
    }
  }

  async #syncFolders(placed: readonly Placed[]): Promise<void> {
    const folders = new Set(placed.map(({ raw }) => raw.slice(0, raw.lastIndexOf('/')) || '/'))
    await syncWritten([toBuffer(this.#target.raw)], { folders: [...folders].map(toBuffer) })
  }

  /** One entry that can't be restored is a finding; a target that can take no more ends the restore. */
  async #each<T extends Placed>(placed: readonly T[], work: (one: T) => void, failure = ENTRY): Promise<void> {
    for (const [index, one] of placed.entries()) {
      if (index % IN_A_ROW === 0) {
        throwIfAborted(this.#request.signal)
        await breathe()
      }
      try {
        work(one)
      } catch (error) {
        if (isFatal(error)) throw targetError(this.#request.target, error)
        this.#notRestored(one, failure, error)
      }
    }
  }

  #notRestored({ raw }: Placed, failure: Failure, error: unknown): void {
    const code = systemCode(error)
    const where = 'Look at what is in its place'
    this.#findings.add({
      ...failure,
      subject: toName(raw),
      message: code === 'EPERM' || code === 'EACCES' ? 'permission denied' : messageOf(error),
      hint: mayGiveAway(this.#restorer) ? `${where}.` : `${where}, or run as root.`,
    })
  }
}

/**
 * While a file is changed in place: writable to us, and open to those who may read it before and after. Killed then, it
 * has not shut out the program it belongs to, and has shown nobody what is not for them.
 */
function modeMeanwhile(there: BigIntStats, node: TreeNode, restorer: Restorer): number {
  const sameOwner = there.uid === BigInt(node.uid) && there.gid === BigInt(node.gid)
  const shared = sameOwner ? Number(there.mode) & fittingMode(node, restorer) & 0o777 : 0
  return shared | 0o600
}
