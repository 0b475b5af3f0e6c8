import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
} from 'node:fs'
import { setImmediate as breathe } from 'node:timers/promises'
import { AppError, messageOf, systemCode, throwIfAborted } from '../../../base/errors.ts'
import type { Finding } from '../../../model/finding.ts'
import type { Incomplete } from '../../../model/incomplete.ts'
import { syncWritten } from '../../beside/sync-written.ts'
import { joinRaw, type RawPath, toBuffer, toName, toRaw } from '../raw-path.ts'
import { parentOf } from './entry-guard.ts'
import { look } from './hard-links.ts'
import { restoreExactTimes, restoreTimes } from './times.ts'

/**
 * What was never captured must not go away with the folder that a restore replaces. It is given a second name in the
 * folder that comes, so that both have it: by hard links, which need no right to read, and folders made anew around
 * them. Put back later, the old folder still has all that it had.
 */

/** Which of the two folders' paths to carry over: those that the capture lost; all that only the old one has where it can't tell. */
export function pathsToCarry(incomplete: Incomplete | undefined): readonly string[] {
  if (incomplete === undefined) return []
  if (incomplete.count > incomplete.entries.length) return ['']
  return incomplete.entries.filter(({ absent }) => absent).map(({ path }) => path)
}

export interface Folders {
  /** What is there. */
  readonly old: RawPath
  /** What takes its place. */
  readonly fresh: RawPath
}

/** Throws `target-invalid` when something can't be carried over; the old folder is as it was then. */
export async function carryOver(
  folders: Folders,
  incomplete: Incomplete | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  const carrying = new Carrying(folders, signal)
  for (const path of pathsToCarry(incomplete)) await carrying.carry(toRaw(path))
  await carrying.finish()
  return carrying.carried === 0 ? [] : [carriedOver(carrying.carried)]
}

/** What would fail at the swap: said before anything is done. */
export function findNotCarriable(old: RawPath, incomplete: Incomplete | undefined): Finding[] {
  const found = pathsToCarry(incomplete).filter(path => path !== '' && !isCarriable(joinRaw(old, toRaw(path))))
  return found.map(path => {
    const { message, hint } = notCarried(toName(joinRaw(old, toRaw(path))), 'it belongs to another user')
    return { severity: 'error', code: 'target-not-writable', subject: path, message, hint: hint ?? '' }
  })
}

/** A user may link what is his, and regular files that he may read and write; a folder has to be listed. */
function isCarriable(path: RawPath): boolean {
  const uid = process.geteuid?.()
  const found = lookQuietly(path)
  if (found === undefined || uid === 0 || found.uid === BigInt(uid ?? -1)) return true
  try {
    if (found.isDirectory()) readdirSync(toBuffer(path))
    else if (!found.isFile()) return false
    else closeSync(openSync(toBuffer(path), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK))
    return true
  } catch {
    return false
  }
}

/** Below a folder that is closed to us nothing can be seen: whether it is there shows when it is carried over. */
function lookQuietly(path: RawPath): BigIntStats | undefined {
  try {
    return look(path)
  } catch {
    return undefined
  }
}

function carriedOver(count: number): Finding {
  return {
    severity: 'info',
    code: 'carried-over',
    subject: `${count} entries`,
    message: 'were never captured, so they were carried over from what was there',
  }
}

function notCarried(path: string, reason: string): AppError {
  return new AppError('target-invalid', `${path} was not captured, and cannot be carried over: ${reason}`, {
    hint: 'Run as its owner or as root; or say --force to write into the folder that is there, which leaves it alone.',
  })
}

const AT_ONCE = 64
const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM'])

class Carrying {
  carried = 0
  readonly #folders: Folders
  readonly #signal: AbortSignal
  /** Folders of the fresh one that were changed, as they shall be left. */
  readonly #touched = new Map<RawPath, BigIntStats>()
  #since = 0

  constructor(folders: Folders, signal: AbortSignal) {
    this.#folders = folders
    this.#signal = signal
  }

  async carry(raw: RawPath): Promise<void> {
    const { old, fresh } = this.#folders
    const from = joinRaw(old, raw)
    try {
      if (raw !== '' && !this.#makeParents(parentOf(raw))) return
      await this.#entry(from, joinRaw(fresh, raw))
    } catch (error) {
      if (error instanceof AppError) throw error
      throw notCarried(toName(from), DENIED.has(systemCode(error) ?? '') ? 'permission denied' : messageOf(error))
    }
  }

  /** Modes and times last: what is made in a folder changes them, and may be allowed to nobody afterwards. */
  async finish(): Promise<void> {
    const touched = [...this.#touched].toReversed()
    await syncWritten([toBuffer(this.#folders.fresh)], { folders: [...this.#touched.keys()].map(toBuffer) })
    await restoreExactTimes(
      touched.map(([raw, node]) => ({ raw, node })),
      this.#signal,
    )
    for (const [path, { mode, mtimeNs, atimeNs }] of touched) {
      if (look(path)?.mtimeNs !== mtimeNs) restoreTimes(path, { mtimeNs, atimeNs })
      chmodSync(toBuffer(path), Number(mode & 0o7777n))
    }
  }

  /** False when the old folder has none of that: then there is nothing to carry. */
  #makeParents(raw: RawPath): boolean {
    if (raw === '') return true
    if (!this.#makeParents(parentOf(raw))) return false
    const from = look(joinRaw(this.#folders.old, raw))
    if (from === undefined || !from.isDirectory()) return false
    this.#makeFolder(joinRaw(this.#folders.fresh, raw), from)
    return true
  }

  async #entry(from: RawPath, to: RawPath): Promise<void> {
    if (++this.#since % AT_ONCE === 0) {
      throwIfAborted(this.#signal)
      await breathe()
    }
    const found = look(from)
    if (found === undefined) return
    if (found.isDirectory()) {
      this.#makeFolder(to, found)
      return await this.#below(from, to, found)
    }
    if (look(to) !== undefined) return
    this.#touch(to.slice(0, to.lastIndexOf('/')))
    linkSync(toBuffer(from), toBuffer(to))
    this.carried += 1
  }

  /** A folder of ours that is closed to ourselves is opened for that while. */
  async #below(from: RawPath, to: RawPath, { mode, uid }: BigIntStats): Promise<void> {
    const path = toBuffer(from)
    const own = Number(mode & 0o7777n)
    const closed = uid === BigInt(process.geteuid?.() ?? 0) && uid !== 0n && (own & 0o500) !== 0o500
    if (closed) chmodSync(path, own | 0o500)
    try {
      for (const name of readdirSync(path, { encoding: 'latin1' })) {
        await this.#entry(joinRaw(from, name), joinRaw(to, name))
      }
    } finally {
      if (closed) chmodSync(path, own)
    }
  }

  /** Like the old one, unless the snapshot has one. */
  #makeFolder(to: RawPath, like: BigIntStats): void {
    const there = look(to)
    if (there?.isDirectory()) return this.#touch(to)
    if (there !== undefined) throw notCarried(toName(to), 'the snapshot has something else in its place')
    this.#touch(to.slice(0, to.lastIndexOf('/')))
    mkdirSync(toBuffer(to), 0o700)
    const ours = look(to)
    if (ours !== undefined && (ours.uid !== like.uid || ours.gid !== like.gid)) giveTo(to, like)
    this.#touched.set(to, like)
    this.carried += 1
  }

  #touch(folder: RawPath): void {
    if (this.#touched.has(folder)) return
    const found = look(folder)
    if (found === undefined) return
    this.#touched.set(folder, found)
    if ((found.mode & 0o700n) !== 0o700n) chmodSync(toBuffer(folder), Number(found.mode & 0o7777n) | 0o700)
  }
}

function giveTo(path: RawPath, { uid, gid }: BigIntStats): void {
  try {
    lchownSync(toBuffer(path), Number(uid), Number(gid))
  } catch (error) {
    // Only root may give away; what is in it keeps its owner in any case.
    if (systemCode(error) !== 'EPERM') throw error
  }
}
