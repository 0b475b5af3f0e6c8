import { type BigIntStats, constants, copyFileSync, linkSync, lstatSync, unlinkSync } from 'node:fs'
import { AppError, systemCode } from '../../../base/errors.ts'
import { type RawPath, toBuffer } from '../raw-path.ts'
import type { HardLink, Placed } from './batch.ts'

/** Remembers the first of each set of hard links. */
export class HardLinks {
  readonly #leaders = new Map<string, { readonly raw: RawPath; left: number }>()

  /** The place of the first file with this one's inode, or undefined: then this is the first one. */
  leaderOf({ raw, node }: Placed): RawPath | undefined {
    const { links, inode, deviceId, content, sizeBytes } = node
    if (links === undefined || links < 2 || inode === undefined) return undefined
    // With the content in the key, a snapshot that is wrong about inodes costs space, not data.
    const key = [deviceId ?? 0n, inode, sizeBytes ?? 0, content?.length ?? 0, content?.[0], content?.at(-1)].join(':')
    const leader = this.#leaders.get(key)
    if (leader === undefined) {
      this.#leaders.set(key, { raw, left: links - 1 })
      return undefined
    }
    leader.left -= 1
    if (leader.left === 0) this.#leaders.delete(key)
    return leader.raw
  }
}

const CAN_NOT_LINK: ReadonlySet<string> = new Set(['EMLINK', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'ENOSYS'])

/** Links a file to the first one of its set; copies where the file system knows no hard links, or not that many. */
export function makeHardLink({ raw, leader }: HardLink): 'linked' | 'copied' {
  const there = look(raw)
  const first = look(leader)
  if (there !== undefined && first !== undefined && there.ino === first.ino && there.dev === first.dev) return 'linked'
  if (there?.isDirectory()) throw new AppError('target-invalid', 'a folder is in its place')
  if (there !== undefined) unlinkSync(toBuffer(raw))
  try {
    linkSync(toBuffer(leader), toBuffer(raw))
    return 'linked'
  } catch (error) {
    if (!CAN_NOT_LINK.has(systemCode(error) ?? '')) throw error
    copyFileSync(toBuffer(leader), toBuffer(raw), constants.COPYFILE_EXCL)
    return 'copied'
  }
}

export function look(raw: RawPath): BigIntStats | undefined {
  return lstatSync(toBuffer(raw), { bigint: true, throwIfNoEntry: false })
}
