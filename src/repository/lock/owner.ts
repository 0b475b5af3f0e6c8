import { readFileSync, readlinkSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { systemCode } from '../../base/errors.ts'
import type { Host } from '../../model/host.ts'
import type { LockFile } from '../format/lock-file.ts'

/** This process, as locks name their owner. */
export function currentHost(): Host {
  const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() }
  return { hostname: hostname(), username: userName(), uid, gid }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A user id without an entry in the password database, as in many containers.
    return ''
  }
}

/**
 * Tells this life of a process from any other with its id: boot, process id namespace, start in clock ticks since boot.
 * Undefined where the system does not say (only Linux does).
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html field 22
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses and may hold anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return ticks === undefined ? undefined : [bootId(), readlinkSync('/proc/self/ns/pid'), ticks].join(' ')
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/** Is the owner of a lock that was taken on this host certainly gone? */
export function isOwnerGone(lock: LockFile, host: Pick<Host, 'hostname'>): boolean {
  if (lock.hostname === '' || lock.hostname !== host.hostname || lock.pid === 0) return false
  const [boot, namespace] = lock.processStart?.split(' ') ?? []
  const [myBoot, myNamespace] = processStart(process.pid)?.split(' ') ?? []
  // In another namespace, process ids are other processes'. Then only the lock's age can tell.
  if (boot !== undefined && boot === myBoot && namespace !== myNamespace) return false
  if (!processExists(lock.pid)) return true
  // The id may be another process's by now.
  return boot !== undefined && myBoot !== undefined && lock.processStart !== processStart(lock.pid)
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
