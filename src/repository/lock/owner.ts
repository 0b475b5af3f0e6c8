import { hostname, userInfo } from 'node:os'
import { isProcessGone } from '../../base/process-life.ts'
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

/** Is the owner of a lock that was taken on this host certainly gone? */
export function isOwnerGone(lock: LockFile, host: Pick<Host, 'hostname'>): boolean {
  if (lock.hostname === '' || lock.hostname !== host.hostname || lock.pid === 0) return false
  return isProcessGone(lock.pid, lock.processStart)
}
