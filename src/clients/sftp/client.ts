import type { Bandwidth, Throttle } from '../../base/bandwidth.ts'
import { allDone, Semaphore } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import { untilAborted } from '../../base/interruptible.ts'
import { type Chunk, chunkStarts, cut } from './chunks.ts'
import { type Channel, Connection, type Destination, type Reply } from './connection.ts'
import { SftpConnectionError, SftpStatusError, STATUS } from './errors.ts'
import { type Attributes, encodePacket, OPEN, type PacketReader, protocolError, TYPE } from './packets.ts'

/** An open file or folder, as the server named it. */
export type Handle = Buffer

export interface FolderEntry extends Attributes {
  readonly name: string
}

export interface FileSystem {
  /** By counting blocks; a quota may allow less. */
  readonly freeBytes: number
  readonly takesFiles: boolean
  readonly isReadOnly: boolean
}

type Extension = 'fsync' | 'posix-rename' | 'hardlink' | 'statvfs' | 'limits'

/** What every server takes in one request, and what costs half as much time where the server says that it takes that. */
const CHUNK_BYTES = 32 * 1024
const LONG_CHUNK_BYTES = 128 * 1024
/** As much as fills OpenSSH's window of 2 MiB, both ways at once. */
const BYTES_AT_ONCE = 4 * 1024 * 1024
const PAGES_AT_ONCE = 4
/** How long what is under way may take to come back after the caller gave up. */
const GRACE_MS = 2_000
const LONGEST_HANDLE = 256
const MOST_ENTRIES = 10_000_000

/**
 * A client of SFTP version 3. Errors: `SftpStatusError` for what the server refused, `SftpConnectionError` for a connection
 * that is gone, `interrupted`. After a rejection no call touches its caller's memory any more.
 */
export class SftpClient {
  readonly #connection: Connection
  readonly #bandwidth: Bandwidth | undefined
  #slots = new Semaphore(BYTES_AT_ONCE / CHUNK_BYTES)
  #chunkBytes = CHUNK_BYTES
  #extensions: ReadonlyMap<string, string> = new Map()

  private constructor(connection: Connection, bandwidth: Bandwidth | undefined) {
    this.#connection = connection
    this.#bandwidth = bandwidth
  }

  /**
   * @param stallMs how long the server may say nothing while it is asked something
   * @param bandwidth how fast files may go and come; undefined: as fast as they go
   */
  static async start(channel: Channel, stallMs: number, bandwidth?: Bandwidth): Promise<SftpClient> {
    const client = new SftpClient(new Connection(channel, stallMs), bandwidth)
    client.#extensions = await client.#connection.greet()
    if (client.offers('limits')) await client.#learnLimits()
    return client
  }

  get hasEnded(): boolean {
    return this.#connection.hasEnded
  }

  offers(extension: Extension): boolean {
    return this.#extensions.has(`${extension}@openssh.com`)
  }

  async end(): Promise<void> {
    await this.#connection.end()
  }

  /** For reading: a file, or a folder that is to be synced. */
  async openForReading(path: string, signal?: AbortSignal): Promise<Handle> {
    return await this.#open(path, OPEN.read, signal)
  }

  /** Fails when the file is there. */
  async create(path: string, mode: number, signal?: AbortSignal): Promise<Handle> {
    return await this.#open(path, OPEN.write | OPEN.create | OPEN.exclusive, signal, mode)
  }

  async close(handle: Handle): Promise<void> {
    await this.#command(TYPE.close, [handle])
  }

  async findSize(handle: Handle, signal?: AbortSignal): Promise<number> {
    const { sizeBytes } = await this.#attributes(TYPE.fstat, handle, signal)
    if (sizeBytes === undefined) throw protocolError('no size of a file')
    return sizeBytes
  }

  /** Follows links. */
  async stat(path: string, signal?: AbortSignal): Promise<Attributes> {
    return await this.#attributes(TYPE.stat, path, signal)
  }

  /** Fills `into` from an offset of the file; gives how many bytes there were, fewer only at its end. */
  async read(handle: Handle, offset: number, into: Buffer, signal?: AbortSignal): Promise<number> {
    const { down } = this.#bandwidth ?? {}
    let isWanted = true
    let end = into.length
    const readChunk = async (at: number): Promise<void> => {
      const chunk = into.subarray(at, at + this.#chunkBytes)
      const count = await this.#readChunk(handle, offset + at, { into: chunk, isWanted: () => isWanted })
      if (count === chunk.length) return
      end = Math.min(end, at + count)
      down?.giveBack(chunk.length - count)
    }
    // What comes after all is not put there any more.
    const letGo = async (): Promise<void> => {
      isWanted = false
    }
    const bytesAt = (at: number): number => Math.min(this.#chunkBytes, into.length - at)
    const chunks = throttled(chunkStarts(into.length, this.#chunkBytes), bytesAt, down, signal)
    await this.#inChunks(chunks, signal, readChunk, letGo)
    return end
  }

  /** Writes all of it from the beginning of the file. */
  async write(handle: Handle, content: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    const fields = (at: number): Parameters<typeof encodePacket>[2] => [handle, { uint64: at }]
    const writeChunk = async ({ offset, length, pieces }: Chunk): Promise<void> => {
      const answer = this.#connection.request(id => {
        const head = encodePacket(TYPE.write, id, [...fields(offset), { uint32: length }], length)
        return [head, ...pieces]
      })
      expectOk(await answer)
    }
    const { up } = this.#bandwidth ?? {}
    const chunks = throttled(cut(content, this.#chunkBytes), ({ length }) => length, up, signal)
    await this.#inChunks(chunks, signal, writeChunk, underWay => this.#settle(underWay))
  }

  /** Brings a file, or the names in a folder, to the server's disk. Only where `fsync` is offered. */
  async fsync(handle: Handle, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.extended, ['fsync@openssh.com', handle], signal)
  }

  async makeFolder(path: string, mode: number, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.mkdir, [path, { uint32: 4 }, { uint32: mode }], signal)
  }

  async remove(path: string, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.remove, [path], signal)
  }

  /** Fails, on most servers, when the new name is there. */
  async rename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.rename, [from, to], signal)
  }

  /** Replaces what is there. Only where `posix-rename` is offered. */
  async renameOver(from: string, to: string, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.extended, ['posix-rename@openssh.com', from, to], signal)
  }

  /** Fails when the new name is there. Only where `hardlink` is offered. */
  async hardlink(from: string, to: string, signal?: AbortSignal): Promise<void> {
    await this.#command(TYPE.extended, ['hardlink@openssh.com', from, to], signal)
  }

  /** Only where `statvfs` is offered. */
  async fileSystem(path: string): Promise<FileSystem> {
    const content = await this.#ask(TYPE.extended, ['statvfs@openssh.com', path], TYPE.extendedReply)
    // f_bsize f_frsize f_blocks f_bfree f_bavail f_files f_ffree f_favail f_fsid f_flag f_namemax
    const numbers = Array.from({ length: 11 }, () => content.anyUint64())
    const [, fragmentBytes = 0, , , freeBlocks = 0, files = 0, , freeFiles = 0, , flags = 0] = numbers
    // Some file systems count no files: then both are 0.
    const takesFiles = files === 0 || freeFiles > 0
    return { freeBytes: freeBlocks * fragmentBytes, takesFiles, isReadOnly: flags % 2 === 1 }
  }

  /** All entries of a folder, each once, without `.` and `..`. */
  async listFolder(path: string, signal?: AbortSignal): Promise<FolderEntry[]> {
    const handle = await this.#open(path, undefined, signal)
    try {
      const entries = new Map<string, FolderEntry>()
      for (;;) {
        const pages = Array.from({ length: PAGES_AT_ONCE }, () => this.#nextPage(handle, signal))
        for (const page of await allDone(...pages)) {
          if (page === undefined) return [...entries.values()]
          addPage(entries, page)
        }
      }
    } finally {
      this.#closeUnheard(handle)
    }
  }

  async #learnLimits(): Promise<void> {
    const content = await this.#ask(TYPE.extended, ['limits@openssh.com'], TYPE.extendedReply)
    // A packet, what is read at once, what is written at once; 0: no limit.
    const limits = Array.from({ length: 3 }, () => content.anyUint64()).map(limit => limit || Number.POSITIVE_INFINITY)
    if (Math.min(...limits) <= LONG_CHUNK_BYTES) return
    this.#chunkBytes = LONG_CHUNK_BYTES
    this.#slots = new Semaphore(BYTES_AT_ONCE / LONG_CHUNK_BYTES)
  }

  /** Undefined after the last one. */
  async #nextPage(handle: Handle, signal: AbortSignal | undefined): Promise<FolderEntry[] | undefined> {
    try {
      const content = await this.#ask(TYPE.readdir, [handle], TYPE.name, signal)
      const page: FolderEntry[] = []
      for (let left = content.uint32(); left > 0; left--) {
        const name = content.name()
        // Its line as "ls -l" prints it.
        content.string()
        page.push({ name, ...content.attributes() })
      }
      return page
    } catch (error) {
      if (isStatus(error, STATUS.endOfFile)) return undefined
      throw error
    }
  }

  /** @param flags undefined: a folder, for its entries */
  async #open(path: string, flags: number | undefined, signal?: AbortSignal, mode?: number): Promise<Handle> {
    const attributes = mode === undefined ? [{ uint32: 0 }] : [{ uint32: 4 }, { uint32: mode }]
    const fields = flags === undefined ? [path] : [path, { uint32: flags }, ...attributes]
    const opened = this.#ask(flags === undefined ? TYPE.opendir : TYPE.open, fields, TYPE.handle)
    const handle = opened.then(content => {
      const bytes = content.string()
      if (bytes.length > LONGEST_HANDLE) throw protocolError('a handle that is too long')
      return bytes
    })
    return await untilAborted(handle, signal, late => this.#closeUnheard(late))
  }

  /** Nothing depends on whether this went well, and nobody waits for it. */
  #closeUnheard(handle: Handle): void {
    this.close(handle).catch(() => undefined)
  }

  async #attributes(type: number, file: string | Handle, signal?: AbortSignal): Promise<Attributes> {
    return (await this.#ask(type, [file], TYPE.attrs, signal)).attributes()
  }

  /** Bytes that were read: as many as asked for, or those up to the file's end. */
  async #readChunk(handle: Handle, offset: number, { into, isWanted }: Destination): Promise<number> {
    for (let at = 0; ; ) {
      const rest = into.subarray(at)
      const fields = [handle, { uint64: offset + at }, { uint32: rest.length }]
      const makePackets = (id: number): Buffer[] => [encodePacket(TYPE.read, id, fields)]
      const answer = await this.#connection.request(makePackets, { into: rest, isWanted })
      if (typeof answer !== 'number') {
        const error = statusOf(answer)
        if (error.status === STATUS.endOfFile) return at
        throw error
      }
      at += answer
      if (at === into.length || !isWanted()) return at
    }
  }

  /** Many at once, but never more than the slots. Waits for all that it began, unless the signal fires. */
  async #inChunks<T>(
    chunks: Iterable<T> | AsyncIterable<T>,
    signal: AbortSignal | undefined,
    work: (chunk: T) => Promise<void>,
    whenGivenUp: (underWay: ReadonlySet<Promise<void>>) => Promise<void>,
  ): Promise<void> {
    const underWay = new Set<Promise<void>>()
    let failure: { readonly error: unknown } | undefined
    try {
      for await (const chunk of chunks) {
        throwIfAborted(signal)
        await untilAborted(this.#slots.acquire(), signal, () => this.#slots.release())
        if (failure) {
          this.#slots.release()
          break
        }
        const task = work(chunk)
          .catch((error: unknown) => {
            failure ??= { error }
          })
          .finally(() => {
            this.#slots.release()
            underWay.delete(task)
          })
        underWay.add(task)
      }
      await untilAborted(Promise.all(underWay), signal)
    } catch (error) {
      await whenGivenUp(underWay)
      throw error
    }
    if (failure) throw failure.error
  }

  /** The caller's memory must be left alone from now on, even if that takes the whole connection. */
  async #settle(underWay: ReadonlySet<Promise<void>>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>(resolve => {
      timer = setTimeout(() => resolve('late'), GRACE_MS)
    })
    if ((await Promise.race([Promise.all(underWay), late])) === 'late') {
      await this.#connection.end(new SftpConnectionError('lost', 'a call was given up'))
      await Promise.all(underWay)
    }
    clearTimeout(timer)
  }

  async #command(type: number, fields: Parameters<typeof encodePacket>[2], signal?: AbortSignal): Promise<void> {
    expectOk(await untilAborted(this.#request(type, fields), signal))
  }

  async #ask(
    type: number,
    fields: Parameters<typeof encodePacket>[2],
    expected: number,
    signal?: AbortSignal,
  ): Promise<PacketReader> {
    const answer = await untilAborted(this.#request(type, fields), signal)
    if (typeof answer === 'number' || answer.type !== expected) throw statusOf(answer)
    return answer.content
  }

  #request(type: number, fields: Parameters<typeof encodePacket>[2]): Promise<Reply | number> {
    return this.#connection.request(id => [encodePacket(type, id, fields)])
  }
}

/** Gives each chunk when its bytes may pass: what was not asked for yet cannot be late. */
function throttled<T>(
  chunks: Iterable<T>,
  bytesOf: (chunk: T) => number,
  throttle: Throttle | undefined,
  signal: AbortSignal | undefined,
): Iterable<T> | AsyncIterable<T> {
  return throttle === undefined ? chunks : each(chunks, chunk => throttle.take(bytesOf(chunk), signal))
}

async function* each<T>(items: Iterable<T>, before: (item: T) => Promise<void>): AsyncGenerator<T> {
  for (const item of items) {
    await before(item)
    yield item
  }
}

export function isStatus(error: unknown, status: number): error is SftpStatusError {
  return error instanceof SftpStatusError && error.status === status
}

function expectOk(answer: Reply | number): void {
  const error = statusOf(answer)
  if (error.status !== STATUS.ok) throw error
}

/** Throws `protocol` for an answer that says nothing of this kind. */
function statusOf(answer: Reply | number): SftpStatusError {
  if (typeof answer === 'number' || answer.type !== TYPE.status) throw protocolError('an answer of another kind')
  const status = answer.content.uint32()
  return new SftpStatusError(status, answer.content.message())
}

/** A server that sends the same again and again, or nothing, would never come to an end. */
function addPage(entries: Map<string, FolderEntry>, page: readonly FolderEntry[]): void {
  const before = entries.size
  let dots = 0
  for (const entry of page) {
    if (entry.name === '.' || entry.name === '..') dots++
    else entries.set(entry.name, entry)
  }
  if (entries.size === before && dots === 0) throw protocolError('a listing that does not go on')
  if (entries.size > MOST_ENTRIES) throw protocolError('a listing without an end')
}
