import { open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import type { SharedMemory } from '../../base/shared-memory.ts'
import { parseSegmentHeader, parseWalFileName, segmentOf, systemIdentifierOf, type WalFile } from '../../model/wal.ts'
import type { WalContent } from '../../repository/index.ts'

/** `usage` when PostgreSQL has no such file. */
export function requireWalName(path: string): WalFile {
  const name = basename(path)
  const file = parseWalFileName(name)
  if (file) return file
  throw new AppError('usage', `not a log file's name: ${JSON.stringify(name)}`, {
    hint: 'In archive_command write "lifeboat wal push %p", in restore_command "lifeboat wal fetch %f %p".',
  })
}

/** The cluster of a data directory: PostgreSQL runs its archive and restore commands in it. */
export async function findSystemIdentifier(dataDir: string): Promise<string | undefined> {
  try {
    return systemIdentifierOf(await readFile(join(dataDir, 'global', 'pg_control')))
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Reads a log file and makes sure that it is what its name says. `systemIdentifier`: of the cluster that it should be
 * of, where it is known.
 */
export async function readWalFile(
  path: string,
  systemIdentifier: string | undefined,
  memory: SharedMemory,
): Promise<WalContent> {
  const file = requireWalName(path)
  const { bytes, writtenAt } = await read(path, memory)
  const isSegment = file.kind === 'segment' || file.kind === 'partial'
  const header = isSegment ? requireHeader(path, file, bytes) : undefined
  const identifier = header?.systemIdentifier ?? systemIdentifier
  if (identifier === undefined) {
    throw new AppError('usage', `cannot tell which cluster ${file.name} is of`, {
      hint: 'Run it in the data directory, as PostgreSQL runs archive_command, or name the cluster with --system.',
    })
  }
  if (systemIdentifier !== undefined && identifier !== systemIdentifier) {
    throw new AppError('source-invalid', `${file.name} is of cluster ${identifier}, not of ${systemIdentifier}`, {
      hint: 'Push only files of the cluster that this archive is of: two clusters cannot share one.',
    })
  }
  return { name: file.name, systemIdentifier: identifier, bytes, writtenAt, segmentBytes: header?.segmentBytes }
}

async function read(path: string, memory: SharedMemory): Promise<{ bytes: Buffer; writtenAt: Date }> {
  try {
    const file = await open(path, 'r')
    try {
      const { mtime, size } = await file.stat()
      // At once: `readFile` would go to the disk 32 times for a segment.
      const bytes = memory.take(size)
      let filled = 0
      for (let count = 1; count > 0 && filled < size; filled += count) {
        count = (await file.read(bytes, filled, size - filled, filled)).bytesRead
      }
      return { bytes: bytes.subarray(0, filled), writtenAt: mtime }
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new AppError('source-unreachable', `cannot read log file ${path}: ${messageOf(error)}`, { cause: error })
  }
}

function requireHeader(path: string, file: WalFile, bytes: Buffer): { systemIdentifier: string; segmentBytes: number } {
  const header = parseSegmentHeader(bytes)
  const number = header && segmentOf(file.name, header.segmentBytes).number
  const fits =
    header !== undefined &&
    number !== undefined &&
    header.startLsn === number * BigInt(header.segmentBytes) &&
    bytes.length === header.segmentBytes
  if (fits) return header
  throw new AppError('source-invalid', `${path} is not the log segment that its name says`, {
    hint: 'Check the disk: the file is cut short or damaged. It was not stored.',
    context: { sizeBytes: bytes.length },
  })
}
