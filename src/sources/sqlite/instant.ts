import { constants } from 'node:fs'
import { chmod, copyFile, type FileHandle, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { type DatabaseFile, lookAgain } from './database-file.ts'
import { isHotJournal, isUnopenable, sourceError } from './faults.ts'
import { refuseForeignFiles } from './foreign-files.ts'
import {
  FRAME_HEADER_BYTES,
  FrameBuffers,
  readFrames,
  readPageTable,
  WAL_HEADER_BYTES,
  type WalFile,
} from './overlay.ts'
import { FilePages, MemoryPages, type Pages } from './pages.ts'
import { closeRaw, openRaw } from './raw-files.ts'
import { type Session, SessionFault } from './session.ts'
import { NO_EXACT_MARK, NO_LIVE_INDEX, type Pinned } from './session-protocol.ts'

/** How long we wait for a program that has the database locked for itself. */
const BUSY_WAIT_MS = 5000
/** Without a WAL a reader makes writers wait. A database up to this size is in memory within some 20 ms. */
export const MEMORY_LIMIT_BYTES = 32 << 20
const COPY_TRIES = 3

/**
 * How the instant is held. `wal`: a read transaction; writers are not disturbed. `locked`: a shared lock; writers wait at
 * their commit, so it must be short. `none`: nothing is held, a copy must be made: by SQLite's backup, or, after a
 * crash of the application, of the files, in which SQLite then rolls the interrupted transaction back.
 */
export type Hold =
  | { readonly kind: 'wal'; readonly pinned: Pinned; readonly wal: NonNullable<Pinned['wal']> }
  | { readonly kind: 'locked'; readonly pinned: Pinned }
  | { readonly kind: 'none'; readonly copy: 'backup' | 'recover' | 'still' }

export interface Held {
  /** Looked at again after the instant began. */
  readonly file: DatabaseFile
  readonly hold: Hold
}

/** Begins the read transaction in `session`, in the best way there is for this database. */
export async function holdInstant(file: DatabaseFile, session: Session): Promise<Held> {
  if (!file.handle) return { file, hold: { kind: 'none', copy: 'backup' } }
  await refuseForeignFiles(file)
  try {
    const pinned = await session.call('pin', { path: file.path, waitMs: BUSY_WAIT_MS })
    const hold: Hold = pinned.wal ? { kind: 'wal', pinned, wal: pinned.wal } : { kind: 'locked', pinned }
    return { file: await lookAgain(file), hold }
  } catch (error) {
    if (isHotJournal(error)) return { file, hold: { kind: 'none', copy: 'recover' } }
    if (error instanceof SessionFault && error.message === NO_EXACT_MARK) {
      return { file, hold: { kind: 'none', copy: 'backup' } }
    }
    if (await isStill(file, error)) return { file, hold: { kind: 'none', copy: 'still' } }
    throw sourceError(error, file.path)
  }
}

/**
 * Nobody has it open who writes: that would keep a log and an index of it. And we can't make or repair either here: on
 * read-only media, for one.
 */
async function isStill({ path, header }: DatabaseFile, error: unknown): Promise<boolean> {
  if (error instanceof SessionFault && error.message === NO_LIVE_INDEX) return true
  if (!isUnopenable(error) || header?.wal !== true) return false
  return !((await exists(`${path}-wal`)) && (await exists(`${path}-shm`)))
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

/** Removes the empty WAL that only our reading has made, if so. Ends the transaction. */
export async function tidyUp({ file, hold }: Held, session: Session): Promise<void> {
  if (hold.kind !== 'wal' || hold.wal.header.frames > 0) return
  // Of no weight: an empty WAL does no harm.
  await session.call('tidy', { path: file.path }).catch(() => {})
}

/** The database's bytes at that instant, and what must be closed when they were read. */
export interface OpenedPages {
  readonly pages: Pages
  readonly close: () => Promise<void>
  /** What `session` has open now: the database itself, or a copy of it that is ours. */
  readonly copy: string | undefined
}

/**
 * Opens the pages. `whileLocked` is given when the session still has its shared lock: it may ask the session, and runs
 * before the writers are let go.
 */
export async function openPages(
  { file, hold }: Held,
  session: Session,
  scratchDir: string,
  whileLocked: (() => Promise<void>) | undefined,
): Promise<OpenedPages> {
  try {
    if (file.handle && hold.kind === 'wal') return await openOverlaid(file, file.handle, hold.wal)
    if (file.handle && whileLocked && file.stat.size <= MEMORY_LIMIT_BYTES) {
      const bytes = Buffer.allocUnsafe(Number(file.stat.size))
      await new FilePages(file.handle, bytes.length).fill(bytes, 0)
      await whileLocked()
      await session.call('release', {})
      return { pages: new MemoryPages(bytes), close: () => Promise.resolve(), copy: undefined }
    }
    const copy = await copyAside({ file, hold }, session, scratchDir)
    const handle = await openRaw(copy)
    const { size } = await handle.stat()
    return { pages: new FilePages(handle, size), close: () => closeRaw(handle), copy }
  } catch (error) {
    throw sourceError(error, file.path)
  }
}

/** A copy of our own, opened in the session, so that a long reading keeps nobody from writing. */
export async function copyAside({ file, hold }: Held, session: Session, scratchDir: string): Promise<string> {
  const copy = join(scratchDir, 'database-copy')
  if (hold.kind === 'none' && hold.copy === 'recover') await copyWith('-journal', file, copy)
  else if (hold.kind === 'none' && hold.copy === 'still') await copyWith('-wal', file, copy)
  else {
    if (hold.kind !== 'none') await session.call('release', {})
    await session.call('copy', { path: file.path, into: copy, waitMs: BUSY_WAIT_MS })
  }
  await session.call('openPrivate', { path: copy })
  // The log came with the copy, but only the file is read.
  if (hold.kind === 'none' && hold.copy === 'still' && !(await session.call('foldLog', {}))) {
    throw new AppError('failed', `cannot write the log of ${file.path} into a copy of it`, { hint: 'Run it again.' })
  }
  return copy
}

async function openOverlaid(
  file: DatabaseFile,
  handle: FileHandle,
  { header, backfilled }: NonNullable<Pinned['wal']>,
): Promise<OpenedPages> {
  const size = header.databasePages > 0 ? header.databasePages * header.pageSizeBytes : Number(file.stat.size)
  // All of it is in the file already. The WAL may now be reset, but nothing beyond our mark gets into the file.
  if (backfilled >= header.frames) {
    return { pages: new FilePages(handle, size), close: () => Promise.resolve(), copy: undefined }
  }
  const shm = await openRaw(`${file.path}-shm`)
  const walHandle = await openRaw(`${file.path}-wal`).catch(async (error: unknown) => {
    await closeRaw(shm)
    throw error
  })
  try {
    const wal = { handle: walHandle, pageSizeBytes: header.pageSizeBytes, salt: header.salt }
    await requireCommit(wal, header)
    const table = await readPageTable(shm, backfilled + 1, header.frames, header.databasePages)
    const pages = new FilePages(handle, size, { ...wal, table, buffers: new FrameBuffers() })
    return { pages, close: () => closeRaw(walHandle), copy: undefined }
  } catch (error) {
    await closeRaw(walHandle)
    throw error
  } finally {
    await closeRaw(shm)
  }
}

/** The frame at the mark must be the commit that the index speaks of. */
async function requireCommit(wal: WalFile, header: NonNullable<Pinned['wal']>['header']): Promise<void> {
  const frame = Buffer.alloc(header.pageSizeBytes + FRAME_HEADER_BYTES)
  await readFrames(wal, header.frames, 1, frame)
  const agrees =
    frame.readUInt32BE(4) === header.databasePages &&
    frame.readUInt32BE(16) === header.frameChecksum[0] &&
    frame.readUInt32BE(20) === header.frameChecksum[1]
  if (agrees) return
  throw new AppError('source-invalid', `the write-ahead log does not end at frame ${header.frames} as its index says`, {
    hint: `Look whether another program writes to the files of the database without SQLite. A WAL has ${WAL_HEADER_BYTES} bytes of header, then frames.`,
  })
}

/** Database and journal or log as they lie there; good only if neither was touched meanwhile. A log may be missing. */
async function copyWith(end: '-journal' | '-wal', file: DatabaseFile, copy: string): Promise<void> {
  const look = async (): Promise<string> => {
    const paths = [file.path, file.path + end, `${file.path}-shm`]
    const stats = await Promise.all(paths.map(path => stat(path, { bigint: true }).catch(() => undefined)))
    return stats.map(s => s && `${s.ino} ${s.size} ${s.mtimeNs} ${s.ctimeNs}`).join()
  }
  for (let tried = 0; tried < COPY_TRIES; tried++) {
    const before = await look()
    await rm(copy + end, { force: true })
    await copyToWrite(file.path, copy)
    if (end === '-journal' || (await exists(file.path + end))) await copyToWrite(file.path + end, copy + end)
    if ((await look()) === before) return
  }
  throw new AppError('source-busy', `${file.path} is being recovered by another program`, { hint: 'Run it again.' })
}

/** Also of what nobody may write to. */
async function copyToWrite(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, 0o600)
}
