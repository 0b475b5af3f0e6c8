import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../base/errors.ts'
import type { DatabaseFile } from './database-file.ts'

const GROUP_WRITES = 0o020n
const OTHERS_WRITE = 0o002n
const SETGID = 0o2000n

/**
 * Whoever reads a WAL database that nobody has open makes its `-wal` and `-shm` files, and without the right to write
 * the database they stay. They would belong to us then, and the application could not write its own database any more.
 * (Root gives them to the owner of the database; SQLite sees to that.)
 */
export async function refuseForeignFiles({ path, stat: found, header }: DatabaseFile): Promise<void> {
  const user = process.geteuid?.()
  if (!header?.wal || user === undefined || user === 0 || BigInt(user) === found.uid) return
  if ((await exists(`${path}-wal`)) && (await exists(`${path}-shm`))) return
  if ((found.mode & OTHERS_WRITE) !== 0n) return
  const folder = await stat(dirname(path), { bigint: true })
  const group = (folder.mode & SETGID) === 0n ? BigInt(process.getegid?.() ?? -1) : folder.gid
  if ((found.mode & GROUP_WRITES) !== 0n && group === found.gid) return
  // Where we can't make files there is nothing to fear; SQLite says what is missing.
  if (!(await isWritable(dirname(path)))) return
  throw new AppError('source-unreachable', `to read ${path} as another user would keep its owner from writing it`, {
    hint: 'SQLite would make the -wal and -shm files of the database as this user. Run as the user who owns the database, as root, or while the application has it open.',
  })
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  )
}
