import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import { SessionFault } from './session.ts'

/** Did SQLite or the system refuse something? Anything else that is no `AppError` is a bug. */
export function isFault(error: unknown): error is Error {
  if (error instanceof SessionFault) return error.fault.sqliteCode !== undefined || error.fault.systemCode !== undefined
  return !isAppError(error) && systemCode(error) !== undefined
}

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26
/** Extended: an interrupted transaction must be rolled back first, and we may not write. */
const READONLY_ROLLBACK = 776

/** SQLite can't open the database, or can't make the files that it needs beside it. */
export function isUnopenable(error: unknown): boolean {
  return error instanceof SessionFault && [CANTOPEN, READONLY].includes((error.fault.sqliteCode ?? 0) & 0xff)
}

export function isHotJournal(error: unknown): boolean {
  return error instanceof SessionFault && error.fault.sqliteCode === READONLY_ROLLBACK
}

/**
 * What to throw for what went wrong while the database at `path` was read: a fault of SQLite's or the system's in words for
 * people, everything else (words already, or a bug) as it is.
 */
export function sourceError(error: unknown, path: string): unknown {
  if (!isFault(error)) return error
  const code = error instanceof SessionFault ? error.fault.sqliteCode : undefined
  const init = { cause: error, context: { path, sqliteCode: code } }
  switch ((code ?? 0) & 0xff) {
    case BUSY:
    case LOCKED:
      return new AppError('source-busy', `database ${path} is locked by another program`, {
        ...init,
        hint: 'Run it again when the program is done. One that sets locking_mode=EXCLUSIVE never lets anyone else read; it must be stopped, or changed.',
      })
    case NOTADB:
      return notADatabase(path, init)
    case CORRUPT:
      return new AppError('source-invalid', `database ${path} is malformed`, {
        ...init,
        hint: `Look at it with: sqlite3 ${path} "PRAGMA integrity_check". Restore the last good recovery point, or rescue rows with the command ".recover" of sqlite3.`,
      })
    case CANTOPEN:
    case READONLY:
      return new AppError('source-unreachable', `cannot open database ${path}`, {
        ...init,
        hint: 'Run as the user who owns the database. In WAL mode a reader needs its -wal and -shm files, or the right to create them in its folder.',
      })
    case FULL:
      return noSpace(path, init)
    case IOERR:
      return new AppError('source-unreachable', `cannot read database ${path}: ${messageOf(error)}`, {
        ...init,
        hint: 'Look at the kernel log (dmesg) and at the health of the disk.',
      })
    default:
      return systemError(error, path, init)
  }
}

export function notADatabase(path: string, init: { cause?: unknown } = {}): AppError {
  return new AppError('source-invalid', `${path} is not a SQLite database, or an encrypted one`, {
    ...init,
    hint: 'Look at the path. A database encrypted with SQLCipher or SEE cannot be read without its library: protect its folder with a source of kind "files" while the application is stopped.',
  })
}

function systemError(error: unknown, path: string, init: { cause: unknown }): AppError {
  const code = error instanceof SessionFault ? error.fault.systemCode : systemCode(error)
  switch (code ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
      return new AppError('source-unreachable', `there is no database at ${path}`, {
        ...init,
        hint: 'Look at "path" of this source in lifeboat.yaml; it is relative to the folder of that file.',
      })
    case 'EACCES':
    case 'EPERM':
      return new AppError('source-unreachable', `no permission to read ${path}`, {
        ...init,
        hint: 'Run as the user who owns the database, or give this user access to the file and its folder.',
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return noSpace(path, init)
    case 'ELOOP':
      return new AppError('source-invalid', `${path} is a symbolic link that leads to itself`, {
        ...init,
        hint: 'Point "path" of this source at the database file.',
      })
    default:
      return new AppError('source-unreachable', `cannot read database ${path}: ${messageOf(error)}`, {
        ...init,
        hint: `Look whether this works: sqlite3 ${path} "PRAGMA quick_check".`,
      })
  }
}

function noSpace(path: string, init: { cause?: unknown }): AppError {
  return new AppError('failed', `no space left for a temporary copy of ${path}`, {
    ...init,
    hint: 'Free space where Lifeboat keeps its state, or switch the database to WAL mode, which needs no copy.',
  })
}
