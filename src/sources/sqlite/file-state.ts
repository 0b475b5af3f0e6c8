import type { Manifest } from '../../model/manifest.ts'
import type { DatabaseFile } from './database-file.ts'
import type { Hold } from './instant.ts'

/** What is recorded of the files at capture time, to know later that nothing was written since. */
export type FileState = Readonly<Record<(typeof STATE_KEYS)[number], string | number>>

const STATE_KEYS = [
  'fileSize',
  'fileInode',
  'fileModifiedNs',
  'fileChangedNs',
  'walFrames',
  'walSalt',
  'walChecksum',
] as const

/** A file written again within one tick of its clock keeps its times. Two seconds is the coarsest clock in use (FAT). */
const SETTLED_NS = 2_000_000_000n

/** Undefined where nothing was held while we looked: then it proves nothing. */
export function stateOf(file: DatabaseFile, hold: Hold): FileState | undefined {
  if (hold.kind === 'none') return undefined
  const wal = hold.kind === 'wal' && hold.wal.header.frames > 0 ? hold.wal.header : undefined
  return {
    fileSize: Number(file.stat.size),
    fileInode: file.stat.ino.toString(),
    fileModifiedNs: file.stat.mtimeNs.toString(),
    fileChangedNs: file.stat.ctimeNs.toString(),
    walFrames: wal?.frames ?? 0,
    walSalt: wal?.salt ?? '',
    walChecksum: wal?.frameChecksum.join(' ') ?? '',
  }
}

/**
 * Is the database provably what it was when `parent` was taken? The file was not written (its change time, which no
 * program can set, is the same and was old enough even then), and the WAL holds the same frames up to the same commit.
 */
export function isUnchanged(state: FileState, parent: Manifest): boolean {
  const before = parent.database?.properties
  if (!before || !STATE_KEYS.every(key => before[key] === state[key])) return false
  const capturedNs = BigInt(Date.parse(parent.capturedAt)) * 1_000_000n
  return capturedNs - BigInt(state.fileChangedNs) > SETTLED_NS
}
