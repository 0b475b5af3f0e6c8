import { type Handle, isStatus, type SftpClient, SftpStatusError, STATUS } from '../../clients/sftp/index.ts'

/** Of an object of unknown length, as many bytes are asked for at once as most that are no packs have. */
const FIRST_READ_BYTES = 32 * 1024
/** More than any object has: no memory is taken at a server's word alone. */
const LONGEST_OBJECT = 4 * 1024 ** 3

/** Of as many writers of one object at once one is done after each. */
const ATTEMPTS = 10

export async function readRange(
  client: SftpClient,
  handle: Handle,
  { offset, length }: { readonly offset: number; readonly length: number },
  into: Buffer | undefined,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const buffer = roomFor(length, into)
  const count = await client.read(handle, offset, buffer, signal)
  if (count === length) return buffer
  await requireLength(client, handle, offset + length, signal)
  throw new SftpStatusError(STATUS.failure, 'end of file before its end')
}

/** A file ended before the bytes that were asked of it, by the server's own word for its length. */
export class TooShort extends Error {}

/** Throws `TooShort` where the file really is. */
async function requireLength(
  client: SftpClient,
  handle: Handle,
  least: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await client.findSize(handle, signal)) < least) throw new TooShort()
}

/** Most objects are short: their length and their beginning are asked for in one round trip. */
export async function readWhole(
  client: SftpClient,
  handle: Handle,
  into: Buffer | undefined,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const first = Buffer.allocUnsafe(FIRST_READ_BYTES)
  const [length, count] = await Promise.all([client.findSize(handle, signal), client.read(handle, 0, first, signal)])
  if (length > LONGEST_OBJECT) throw new SftpStatusError(STATUS.failure, `a file of ${length} bytes`)
  const buffer = roomFor(length, into)
  first.copy(buffer, 0, 0, Math.min(count, length))
  if (length <= count) return buffer
  const rest = buffer.subarray(count)
  if ((await client.read(handle, count, rest, signal)) < rest.length) {
    throw new SftpStatusError(STATUS.failure, 'end of file before its end')
  }
  return buffer
}

function roomFor(length: number, into: Buffer | undefined): Buffer {
  // A buffer of its own, so that it can be handed to a worker thread without a copy.
  return into && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length)
}

/** Gives a whole, durable file its name. `AlreadyThere` where that must be new and is not. */
export async function moveTo(
  client: SftpClient,
  from: string,
  to: string,
  ifAbsent: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!ifAbsent && client.offers('posix-rename')) return await client.renameOver(from, to, signal)
  if (ifAbsent && client.offers('hardlink')) {
    try {
      await client.hardlink(from, to, signal)
      client.remove(from).catch(() => undefined)
      return
    } catch (error) {
      if (!(error instanceof SftpStatusError) || isStatus(error, STATUS.noSuchFile)) throw error
      // It is there already, or that file system has no hard links.
    }
  }
  for (let attempt = 1; ; attempt++) {
    if (await exists(client, to, signal)) {
      if (ifAbsent) throw new AlreadyThere()
      // The new one is whole and safe under its other name.
      await removeIfThere(client, to, signal)
    }
    try {
      return await client.rename(from, to, signal)
    } catch (error) {
      // Another writer may have been first.
      if (!isStatus(error, STATUS.failure) || attempt === ATTEMPTS || !(await exists(client, to, signal))) throw error
    }
  }
}

/** An object of this name is there. */
export class AlreadyThere extends Error {}

/** Tells whether it was. */
export async function removeIfThere(
  client: SftpClient,
  path: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await client.remove(path, signal)
    return true
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile)) return false
    throw error
  }
}

async function exists(client: SftpClient, path: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await client.stat(path, signal)
    return true
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile)) return false
    throw error
  }
}

/** Best effort: the protocol does not know it, but OpenSSH's server opens folders and syncs them. */
export async function syncFolder(client: SftpClient, folder: string, signal: AbortSignal | undefined): Promise<void> {
  if (!client.offers('fsync')) return
  try {
    const handle = await client.openForReading(folder, signal)
    try {
      await client.fsync(handle, signal)
    } finally {
      client.close(handle).catch(() => undefined)
    }
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error
  }
}
