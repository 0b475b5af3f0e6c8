import { type BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'
import { closeRaw, isHeldByThisProcess, openRaw } from './raw-files.ts'

/** From the change counter to the number of free pages: what SQLite itself looks at to see whether a file changed. */
const [COUNTER_AT, COUNTER_BYTES] = [24, 16]
/** Holds the salts, which differ each time the log begins anew. */
const WAL_HEADER_BYTES = 32

/**
 * What a commit of any program changes, as text: the file and its change counter, its log, and a journal beside it. Equal at
 * two moments: nothing was committed in between. Undefined where it can't be told, which equals nothing.
 */
export async function databaseState(path: string): Promise<string | undefined> {
  const found = await statOf(path)
  // Opened once more in this process, it would lose the application's locks.
  if (!found?.isFile() || (await isHeldByThisProcess(found))) return undefined
  const journal = await statOf(`${path}-journal`)
  return [
    `${found.dev}:${found.ino}`,
    sizeAndTime(found),
    await bytesOf(path, COUNTER_AT, COUNTER_BYTES),
    await logState(`${path}-wal`),
    journal === undefined || journal.size === 0n ? '-' : sizeAndTime(journal),
  ].join(' ')
}

async function logState(path: string): Promise<string> {
  const found = await statOf(path)
  if (found === undefined || found.size === 0n) return '-'
  return `${sizeAndTime(found)}+${await bytesOf(path, 0, WAL_HEADER_BYTES)}`
}

const sizeAndTime = ({ size, mtimeNs }: BigIntStats): string => `${size}@${mtimeNs}`

async function bytesOf(path: string, at: number, length: number): Promise<string> {
  const file = await openRaw(path)
  try {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await file.read(bytes, 0, length, at)
    return bytes.toString('hex', 0, bytesRead)
  } finally {
    await closeRaw(file)
  }
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  return await stat(path, { bigint: true }).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    return undefined
  })
}
