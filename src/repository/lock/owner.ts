import { hostname, userInfo } from 'node:os'
import type { Host } from '../../model/host.ts'

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
