import { hostname, userInfo } from 'node:os'

/** The machine and the user that a run is of, as restic records them. */
export interface Host {
  readonly hostname: string
  readonly username: string
  readonly uid: number
  readonly gid: number
}

/** This process's. @param name in place of the system's */
export function thisHost(name: string | undefined): Host {
  return {
    hostname: name ?? hostname(),
    username: userName(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A user id without an entry in the password database, as in many containers.
    return ''
  }
}
