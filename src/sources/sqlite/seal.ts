import { type FileHandle, open, stat } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'
import { isHeldByThisProcess } from './raw-files.ts'

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1')
const SEALED = Buffer.from('Lifeboat sealed\0', 'latin1')
/** The change counter: a connection that finds it as it was goes on with the pages that it has. */
const COUNTER_AT = 24
const BYTES = COUNTER_AT + 4

/** A database that no program has written to yet is empty. A counter of nothing but ones is none that anybody remembers. */
const SEALED_EMPTY = Buffer.concat([SEALED, Buffer.alloc(BYTES - SEALED.length, 0xff)])

/** Lies at the path of a database while that is rewritten: no program takes it for a database, so none writes to it. */
const STAND_IN = Buffer.from(
  `${SEALED.toString('latin1')}\nThis database is being restored in place. If no restore is running, one was interrupted: run "lifeboat undo --settle".\n`,
  'latin1',
)

/**
 * Makes a database that leaves its place one that no program can open. Who opened it before and waits for its lock would
 * else commit into a file that nobody looks at any more. Every connection reads these bytes when its transaction begins,
 * under the lock; so the caller holds the lock. Only the first bytes change, and `unseal` puts them back.
 */
export async function seal(path: string): Promise<void> {
  await rewrite(path, async file => {
    const { size } = await file.stat()
    if (size === 0) return SEALED_EMPTY
    return await swapped(file, MAGIC, SEALED)
  })
}

/** Takes the seal off. Nothing to do for a file that has none, for a stand-in, and for what is not there. */
export async function unseal(path: string): Promise<void> {
  await rewrite(path, async file => {
    // It stands in until what it stands for is whole: an empty database in its place would be written to.
    if (await holds(file, STAND_IN)) return undefined
    if (!(await holds(file, SEALED_EMPTY))) return await swapped(file, SEALED, MAGIC)
    await file.truncate(0)
    return undefined
  })
}

export async function isSealed(path: string): Promise<boolean> {
  return await look(path, async file => (await firstBytes(file)).subarray(0, SEALED.length).equals(SEALED))
}

/** Is it a stand-in of ours, and not a database? */
export async function isStandIn(path: string): Promise<boolean> {
  return await look(path, file => holds(file, STAND_IN))
}

/** Durable when it returns. */
export async function writeStandIn(path: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(STAND_IN)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function swapped(file: FileHandle, from: Buffer, to: Buffer): Promise<Buffer | undefined> {
  const bytes = await firstBytes(file)
  if (bytes.length < BYTES || !bytes.subarray(0, from.length).equals(from)) return undefined
  to.copy(bytes)
  for (let at = COUNTER_AT; at < BYTES; at++) bytes[at] = ~(bytes[at] ?? 0) & 0xff
  return bytes
}

/** This and nothing else. */
async function holds(file: FileHandle, content: Buffer): Promise<boolean> {
  const bytes = Buffer.alloc(content.length + 1)
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
  return bytes.subarray(0, bytesRead).equals(content)
}

async function firstBytes(file: FileHandle): Promise<Buffer> {
  const bytes = Buffer.alloc(BYTES)
  const { bytesRead } = await file.read(bytes, 0, BYTES, 0)
  return bytes.subarray(0, bytesRead)
}

async function look(path: string, ask: (file: FileHandle) => Promise<boolean>): Promise<boolean> {
  const file = await openUnlessHeld(path, 'r')
  if (file === undefined) return false
  try {
    return await ask(file)
  } finally {
    await file.close()
  }
}

async function rewrite(path: string, make: (file: FileHandle) => Promise<Buffer | undefined>): Promise<void> {
  const file = await openUnlessHeld(path, 'r+')
  if (file === undefined) return
  try {
    const bytes = await make(file)
    // In one write: another process sees the bytes before it or those after it.
    if (bytes !== undefined) await file.write(bytes, 0, bytes.length, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Undefined where nothing is, and where this process has a database open, whose locks it would lose: that has no seal. */
async function openUnlessHeld(path: string, flags: 'r' | 'r+'): Promise<FileHandle | undefined> {
  const found = await stat(path, { bigint: true }).catch(ignoreMissing)
  if (!found?.isFile() || (await isHeldByThisProcess(found))) return undefined
  return await open(path, flags).catch(ignoreMissing)
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}
