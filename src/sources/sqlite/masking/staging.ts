import { lstat, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../../base/errors.ts'
import { makeScratchFolder, privateFolder } from '../../../base/private-folder.ts'
import { formatSize } from '../../../base/sizes.ts'
import type { Finding } from '../../../model/finding.ts'
import type { Mask } from '../../../model/masking/rules.ts'

/** A private place for unmasked data while it is masked. */
export interface Staging {
  /** Where the file shall be. */
  readonly file: string
  readonly findings: readonly Finding[]
  /** Takes away all of it. Safe to call twice. */
  remove(): Promise<void>
}

/**
 * In memory where there is room: the file system of this kind is what Linux has at /dev/shm. On a disk only in the folder
 * that the mask file names: what is deleted from a disk can be read from it for a long time. What a killed run left is
 * removed by the next one.
 */
export async function stageUnmasked(mask: Mask, sizeBytes: number, target: string): Promise<Staging> {
  const memory = mask.staging === undefined ? await findMemory(sizeBytes) : undefined
  const parent = mask.staging ?? memory
  if (parent === undefined) throw noMemory(mask, sizeBytes)
  const folder = await makeScratchFolder(parent)
  return {
    file: join(folder.path, 'unmasked.db'),
    findings: [await stagedFinding(parent, target)],
    remove: () => folder.remove(),
  }
}

/** `f_type` of tmpfs and ramfs. @see https://man7.org/linux/man-pages/man2/statfs.2.html */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])
/** For the file system's own needs. */
const SPARE_BYTES = 16 << 20

async function findMemory(sizeBytes: number): Promise<string | undefined> {
  const uid = process.getuid?.() ?? 0
  const bases = ['/dev/shm', process.env['XDG_RUNTIME_DIR'] ?? '']
  for (const base of bases.filter(each => each !== '')) {
    const found = await statfs(base).catch(() => undefined)
    if (found === undefined || !IN_MEMORY.has(found.type)) continue
    const freeBytes = Math.min(found.bavail * found.bsize, process.availableMemory())
    if (freeBytes < sizeBytes + SPARE_BYTES) continue
    const folder = await privateFolder(join(base, `lifeboat-${uid}`)).catch(() => undefined)
    if (folder !== undefined && (await isOurs(folder, uid))) return folder
  }
  return undefined
}

/** Everybody may make folders in /dev/shm: one that another user prepared is not for us. */
async function isOurs(folder: string, uid: number): Promise<boolean> {
  const found = await lstat(folder)
  return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0
}

function noMemory(mask: Mask, sizeBytes: number): AppError {
  return new AppError('target-full', `no memory to mask ${formatSize(sizeBytes)} in`, {
    hint: `Unmasked data must not touch a disk unasked. Name a private folder where it may lie meanwhile: "staging: DIR" in ${mask.file}.`,
  })
}

async function stagedFinding(parent: string, target: string): Promise<Finding> {
  const found = await statfs(parent)
  if (IN_MEMORY.has(found.type)) {
    return {
      severity: 'info',
      code: 'masked-in-memory',
      subject: target,
      message: `unmasked data was in memory only (${parent}) while it was masked`,
    }
  }
  const sameDisk = (await stat(parent)).dev === (await stat(dirname(target))).dev
  return {
    severity: sameDisk ? 'warning' : 'info',
    code: 'masked-on-disk',
    subject: target,
    message: `unmasked data was in ${parent} while it was masked${sameDisk ? ', on the disk of the target' : ''}, and was removed`,
    hint: 'What was deleted from a disk may be readable there until it is overwritten.',
  }
}
