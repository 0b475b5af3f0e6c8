import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { AppError, messageOf } from '../../base/errors.ts'
import type { SharedMemory } from '../../base/shared-memory.ts'
import { describeLogFile, type LogFile } from '../../model/log.ts'
import type { LogContent } from '../../repository/index.ts'
import type { LogFormat } from '../../sources/source.ts'

/** `usage` when such a log has no such file. */
export function requireLogName(path: string, format: LogFormat): LogFile {
  const name = basename(path)
  const file = format.parseName(name)
  if (file) return file
  throw new AppError('usage', `not a log file's name: ${JSON.stringify(name)}`, { hint: format.words.nameHint })
}

/** Whose log a file should be of. */
export interface LogOwner {
  readonly kind: string
  readonly format: LogFormat
  /** Undefined: as the file says. */
  readonly id: string | undefined
}

/** Reads a log file and makes sure that it is what its name says. */
export async function readLogFile(path: string, owner: LogOwner, memory: SharedMemory): Promise<LogContent> {
  const { format, kind, id: wanted } = owner
  const { words } = format
  const file = requireLogName(path, format)
  const { bytes, writtenAt } = await read(path, memory)
  const checked = format.checkFile(file, bytes)
  if (checked === undefined) {
    throw new AppError('source-invalid', `${path} is not the log ${words.file} that its name says`, {
      hint: 'Check the disk: the file is cut short or damaged. It was not stored.',
      context: { sizeBytes: bytes.length },
    })
  }
  const id = checked.log ?? wanted
  if (id === undefined) {
    throw new AppError('usage', `cannot tell which ${words.log} ${file.name} is of`, { hint: words.logHint })
  }
  if (wanted !== undefined && id !== wanted) {
    throw new AppError('source-invalid', `${describeLogFile(file)} is of ${words.log} ${id}, not of ${wanted}`, {
      hint: `Push only files of the ${words.log} that this archive is of: two cannot share one.`,
    })
  }
  return { log: { kind, id }, name: file.name, unfinished: file.unfinished, bytes, writtenAt }
}

async function read(path: string, memory: SharedMemory): Promise<{ bytes: Buffer; writtenAt: Date }> {
  try {
    const file = await open(path, 'r')
    try {
      const { mtime, size } = await file.stat()
      // At once: `readFile` would go to the disk 32 times for one of 16 MiB.
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
