import type { BigIntStats } from 'node:fs'
import { constants } from 'node:fs'
import { chmod, copyFile, link, lstat, symlink, unlink } from 'node:fs/promises'
import { forEachLimit } from '../../../base/concurrency.ts'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { FileToRestore, RestoreRequest } from '../../source.ts'
import { canWriteAttributes, writeAttributes } from '../attributes.ts'
import { FindingLog } from '../finding-log.ts'
import { typeOf } from '../node-meta.ts'
import { type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'
import type { Batch, HardLink, Placed } from './batch.ts'
import { syncFiles, syncFolders } from './durable.ts'
import { mayGiveAway, type Restorer, restoreModeAndTimes, restoreOwner, sameTime } from './metadata.ts'
import { makeSpecialFiles } from './special-files.ts'
import { type TargetFolder, targetError } from './target.ts'

const AT_ONCE = 16

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
    const files = await this.#writeFiles(batch.files)
    const made = [...files, ...(await this.#makeLinks(batch.links)), ...(await this.#makeOthers(batch.others))]
    const folders = batch.left
    throwIfAborted(this.#request.signal)
    await forEachLimit([...made, ...folders], AT_ONCE, placed => this.#try(placed, this.#owner(placed)))
    await this.#writeAttributes([...made, ...folders])
    await forEachLimit(made, AT_ONCE, placed => this.#try(placed, this.#finish(placed)))
    await this.#count([...batch.files, ...batch.links])
    await this.#syncFolders([...made, ...batch.links, ...folders])
    // A directory may become one that we can't enter any more: after all that is in it.
    for (const folder of folders) await this.#try(folder, this.#finish(folder))
  }

  /** Returns the files that need their metadata. */
  async #writeFiles(files: readonly Placed[]): Promise<Placed[]> {
    const wanted = new Map<Placed, FileToRestore>()
    await forEachLimit(files, AT_ONCE, async file => {
      const delta = await this.#try(file, this.#makeWay(file))
      if (delta === undefined || delta === 'finished') return
      wanted.set(file, { node: file.node, path: toName(file.raw), delta: delta === 'delta' })
    })
    if (wanted.size === 0) return []
    const order = files.filter(file => wanted.has(file))
    const { writtenBytes } = await this.#request.snapshot.restoreFiles(
      order.map(file => wanted.get(file)).filter(file => file !== undefined),
    )
    this.written.writtenBytes += writtenBytes
    await syncFiles(
      this.#target.raw,
      order.map(file => file.raw),
    )
    return order
  }

  async #syncFolders(placed: readonly Placed[]): Promise<void> {
    const folders = placed.map(({ raw }) => raw.slice(0, raw.lastIndexOf('/')) || '/')
    await syncFolders(this.#target.raw, new Set(folders))
  }

  /** What to do with the file, after whatever else was in its place is gone. */
  async #makeWay({ raw, node }: Placed): Promise<'new' | 'delta' | 'whole' | 'finished'> {
    const there = await look(raw)
    if (there === undefined) return 'new'
    const size = BigInt(node.sizeBytes ?? 0)
    const same = there.isFile() && there.size === size && sameTime(there.mtimeNs, node.mtimeNs)
    if (same && this.#target.state === 'resumed') return 'finished'
    if (there.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
    // Writing through a hard link would change a file that may be outside of the target.
    if (!there.isFile() || there.nlink > 1n) {
      await unlink(toBuffer(raw))
      return 'new'
    }
    await chmod(toBuffer(raw), 0o600)
    return this.#request.delta ? 'delta' : 'whole'
  }

  async #makeLinks(links: readonly HardLink[]): Promise<Placed[]> {
    const copies: Placed[] = []
    for (const hardLink of links) {
      if ((await this.#try(hardLink, makeLink(hardLink))) === 'copied') copies.push(hardLink)
    }
    return copies
  }

  async #makeOthers(others: readonly Placed[]): Promise<Placed[]> {
    const special: Placed[] = []
    for (const other of others) {
      const done = await this.#try(other, this.#makeOther(other))
      if (done === 'special') special.push(other)
    }
    if (special.length > 0) await this.#makeSpecial(special)
    const there = await Promise.all(
      others.map(async other => {
        const found = await look(other.raw)
        return found !== undefined && typeOf(found) === other.node.type ? other : undefined
      }),
    )
    return there.filter(other => other !== undefined)
  }

  async #makeOther({ raw, node }: Placed): Promise<'special' | 'made'> {
    const there = await look(raw)
    if (there?.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
    if (there !== undefined) await unlink(toBuffer(raw))
    if (node.type !== 'symlink') return 'special'
    await symlink(toBuffer(toRaw(node.linkTarget ?? '')), toBuffer(raw))
    return 'made'
  }

  async #makeSpecial(special: readonly Placed[]): Promise<void> {
    const made = special.map(({ raw, node }) => ({ path: raw, node }))
    const complaint = await makeSpecialFiles(made, this.#request.signal)
    if (complaint === '') return
    this.#findings.add({
      severity: 'warning',
      code: 'special-file-not-restored',
      subject: special.length === 1 ? toName(special[0]?.raw ?? '') : `some of ${special.length} fifos and devices`,
      message: `not made: ${complaint.split('\n', 1)[0] ?? ''}`,
      hint: 'Restore as root where devices are needed.',
    })
  }

  #owner({ raw, node }: Placed): Promise<void> {
    return restoreOwner(raw, node, this.#restorer)
  }

  /** The place was made by us, but somebody may have put a symlink there since. */
  async #finish({ raw, node }: Placed): Promise<void> {
    const there = await look(raw)
    if (there === undefined || typeOf(there) !== node.type) throw new AppError('target-invalid', 'it was replaced')
    await restoreModeAndTimes(raw, node, this.#restorer)
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

  async #count(files: readonly Placed[]): Promise<void> {
    await forEachLimit(files, AT_ONCE, async ({ raw, node }) => {
      const there = await look(raw)
      if (!there?.isFile() || there.size !== BigInt(node.sizeBytes ?? 0)) return
      this.written.files += 1
      this.written.totalBytes += Number(there.size)
    })
  }

  /** One entry that can't be restored is a finding; a target that can take no more ends the restore. */
  async #try<T>(placed: Placed, work: Promise<T>): Promise<T | undefined> {
    try {
      return await work
    } catch (error) {
      const code = systemCode(error)
      if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS') throw targetError(this.#request.target, error)
      this.#findings.add({
        severity: 'error',
        code: 'entry-not-restored',
        subject: toName(placed.raw),
        message: code === 'EPERM' || code === 'EACCES' ? 'permission denied' : messageOf(error),
        hint: mayGiveAway(this.#restorer)
          ? 'Look at what is in its place.'
          : 'Look at what is in its place, or run as root.',
      })
      return undefined
    }
  }
}

async function look(raw: RawPath): Promise<BigIntStats | undefined> {
  try {
    return await lstat(toBuffer(raw), { bigint: true })
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Copies where the file system knows no hard links, or not this many of one file. */
async function makeLink({ raw, leader }: HardLink): Promise<'linked' | 'copied'> {
  const [there, first] = await Promise.all([look(raw), look(leader)])
  if (there !== undefined && first !== undefined && there.ino === first.ino && there.dev === first.dev) return 'linked'
  if (there?.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
  if (there !== undefined) await unlink(toBuffer(raw))
  try {
    await link(toBuffer(leader), toBuffer(raw))
    return 'linked'
  } catch (error) {
    const code = systemCode(error) ?? ''
    if (!['EMLINK', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'ENOSYS'].includes(code)) throw error
    await copyFile(toBuffer(leader), toBuffer(raw), constants.COPYFILE_EXCL)
    return 'copied'
  }
}
