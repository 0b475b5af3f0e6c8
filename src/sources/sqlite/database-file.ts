import type { BigIntStats } from 'node:fs'
import { type FileHandle, realpath, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { AppError } from '../../base/errors.ts'
import type { NodeMeta } from '../../model/node.ts'
import { notADatabase, sourceError } from './faults.ts'
import { type DatabaseHeader, HEADER_BYTES, parseHeader } from './header.ts'
import { closeRaw, isHeldByThisProcess, openRaw } from './raw-files.ts'
import { isStandIn } from './seal.ts'

/** A database file that was found and looks like one. */
export interface DatabaseFile {
  /** Without symbolic links: SQLite keeps `-wal` and `-shm` beside the real file. */
  readonly path: string
  /** Its name as the user gave it; the name in the snapshot. */
  readonly name: string
  readonly stat: BigIntStats
  /** Both undefined when this very process has the file open: then we may not open it once more. */
  readonly handle: FileHandle | undefined
  readonly header: DatabaseHeader | undefined
}

/** Finds and opens the file for plain reading. The caller closes it with `closeDatabaseFile`. */
export async function openDatabaseFile(path: string): Promise<DatabaseFile> {
  let handle: FileHandle | undefined
  try {
    const real = await realpath(path)
    const found = await stat(real, { bigint: true })
    requireFile(found, path)
    const file = { path: real, name: basename(path), stat: found }
    if (await isHeldByThisProcess(found)) return { ...file, handle: undefined, header: undefined }
    handle = await openRaw(real)
    const header = await readHeader(handle)
    if (!header) throw (await isStandIn(real)) ? halfWritten(path) : notADatabase(path)
    return { ...file, handle, header }
  } catch (error) {
    await closeRaw(handle)
    throw sourceError(error, path)
  }
}

/** The same file as it is now. Between our first look and SQLite's another may have been renamed to its path. */
export async function lookAgain(file: DatabaseFile): Promise<DatabaseFile> {
  const now = await stat(file.path, { bigint: true })
  if (now.ino !== file.stat.ino || now.dev !== file.stat.dev) {
    throw new AppError('source-busy', `${file.path} was replaced while it was opened`, { hint: 'Run it again.' })
  }
  return { ...file, stat: now, header: file.handle && (await readHeader(file.handle)) }
}

async function readHeader(handle: FileHandle): Promise<DatabaseHeader | undefined> {
  const bytes = Buffer.alloc(HEADER_BYTES)
  const { bytesRead } = await handle.read(bytes, 0, HEADER_BYTES, 0)
  return parseHeader(bytes.subarray(0, bytesRead))
}

export async function closeDatabaseFile(file: DatabaseFile): Promise<void> {
  await closeRaw(file.handle)
}

function requireFile(found: BigIntStats, path: string): void {
  if (found.isDirectory()) {
    throw new AppError('source-invalid', `${path} is a folder, not a SQLite database`, {
      hint: 'Point "path" of this source at the database file, or use kind: files for a folder.',
    })
  }
  if (!found.isFile()) throw notADatabase(path)
  if (found.size === 0n) {
    throw new AppError('source-invalid', `${path} is empty`, {
      hint: 'SQLite creates an empty file when a program opens a path that does not exist: look at "path" of this source.',
    })
  }
}

/** What stands in for a database that a killed restore was rewriting in place. */
function halfWritten(path: string): AppError {
  return new AppError('source-invalid', `${path} was left half-written by an interrupted restore`, {
    hint: 'Bring that to its end with: lifeboat undo --settle. Or restore into it again, with --force.',
  })
}

export function metaOf(found: BigIntStats): NodeMeta {
  return {
    type: 'file',
    mode: Number(found.mode & 0o7777n),
    mtimeNs: found.mtimeNs,
    atimeNs: found.atimeNs,
    ctimeNs: found.ctimeNs,
    uid: Number(found.uid),
    gid: Number(found.gid),
    inode: found.ino,
    deviceId: found.dev,
  }
}
