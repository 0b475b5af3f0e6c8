import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../../base/errors.ts'

/**
 * Objects being written have names of their own in `<repository>/tmp`, the folder that restic's layout sets aside:
 * neither restic nor `list` sees them. A name says who writes: `<machine>-<pid>-<random>`. Where a folder such as `data`
 * lies on another file system they are in it, behind a dot that no key begins with.
 */
export const UNFINISHED_FOLDER = 'tmp'

export const HIDDEN = '.'

const OLD_MS = 24 * 60 * 60 * 1000
const NAME = /^\.?([0-9a-f]{16})-([0-9]{1,10})-[0-9a-f]{16}$/

export function unfinishedName(prefix = ''): string {
  return `${prefix}${machineId()}-${process.pid}-${randomBytes(8).toString('hex')}`
}

/** Removes what killed processes left behind. Best effort: what cannot be removed now stays for another time. */
export async function removeUnfinished(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    const path = join(folder, name)
    if (await isAbandoned(name, path, nowMs)) await unlink(path).catch(() => {})
  }
}

async function isAbandoned(name: string, path: string, nowMs: number): Promise<boolean> {
  const [, machine, pid] = NAME.exec(name) ?? []
  // Not a name of ours: not ours to remove.
  if (machine === undefined || pid === undefined) return false
  if (machine === machineId() && !isAlive(Number(pid))) return true
  const status = await stat(path).catch(() => undefined)
  return status?.isFile() === true && nowMs - status.mtimeMs > OLD_MS
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}

let machine: string | undefined

/**
 * Where a process id means something: this host, this boot, this process namespace (containers may share all but the
 * last). Elsewhere only age can tell.
 */
function machineId(): string {
  machine ??= createHash('sha256')
    .update([hostname(), quietly(bootId), quietly(pidNamespace)].join('\0'))
    .digest('hex')
    .slice(0, 16)
  return machine
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
const pidNamespace = (): string => readlinkSync('/proc/self/ns/pid')

function quietly(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
