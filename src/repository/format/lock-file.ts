import { goJson, parseObject } from './json.ts'
import { formatDate, parseDate } from './time.ts'

export interface LockFile {
  readonly time: Date
  readonly exclusive: boolean
  readonly hostname: string
  readonly username: string
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** When the owning process started, so that a reused process id is not taken for the owner. Ours; restic ignores it. */
  readonly processStart: string | undefined
}

export function parseLockFile(bytes: Uint8Array, subject: string): LockFile {
  const fields = parseObject(bytes, subject)
  return {
    time: parseDate(fields.text('time'), subject),
    exclusive: fields.flag('exclusive'),
    hostname: fields.optionalText('hostname') ?? '',
    username: fields.optionalText('username') ?? '',
    pid: fields.optionalCount('pid', 2 ** 32) ?? 0,
    uid: fields.optionalCount('uid', 2 ** 32) ?? 0,
    gid: fields.optionalCount('gid', 2 ** 32) ?? 0,
    processStart: fields.optionalText('lifeboat_process_start'),
  }
}

export function formatLockFile(lock: LockFile): Buffer {
  return Buffer.from(
    goJson({
      time: formatDate(lock.time),
      exclusive: lock.exclusive,
      hostname: lock.hostname,
      username: lock.username,
      pid: lock.pid,
      uid: lock.uid === 0 ? undefined : lock.uid,
      gid: lock.gid === 0 ? undefined : lock.gid,
      lifeboat_process_start: lock.processStart,
    }),
  )
}
