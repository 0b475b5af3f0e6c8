import { resolve } from 'node:path'
import { dirname } from 'node:path/posix'
import type { AdapterContext } from '../../base/adapter-context.ts'
import { throwIfAborted } from '../../base/errors.ts'
import { typedPath } from '../../base/typed-path.ts'
import {
  connectBySsh,
  type FileSystem,
  type FolderEntry,
  type Handle,
  isStatus,
  type SftpClient,
  SftpStatusError,
  STATUS,
} from '../../clients/sftp/index.ts'
import { assertKey, assertPrefix, isKey } from '../keys.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StorageTraits, StoredObject } from '../storage.ts'
import { type FailedCall, storageError } from '../storage-error.ts'
import { UNFINISHED_FOLDER, unfinishedName } from '../unfinished-name.ts'
import { Folders } from './folders.ts'
import { locationOf } from './location.ts'
import { MOST_CONNECTIONS, type SftpOptions } from './options.ts'
import { ConnectionPool } from './pool.ts'
import { remoteError, type Server } from './remote-errors.ts'
import { moveTo, readRange, readWhole, removeIfThere, syncFolder } from './transfer.ts'
import { removeUnfinished } from './unfinished.ts'

export async function openSftpStorage(url: string, options: SftpOptions, context: AdapterContext): Promise<Storage> {
  const location = locationOf(url)
  const { baseDir, environment, bandwidth } = context
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolve(baseDir, typedPath(path, environment))
  const files = {
    identityFile: absolute(options.identityFile),
    knownHostsFile: absolute(options.knownHostsFile),
  }
  const connect = (): Promise<SftpClient> => connectBySsh(location, { ...files, environment, bandwidth })
  return new SftpStorage(url, { location, options: files }, connect, options.connections)
}

/** Each connection is busy with its cipher: more saves than that at once only wait for one another. */
const TRAITS: Omit<StorageTraits, 'concurrency' | 'saves'> = {
  kind: 'sftp',
  keys: 'any',
  overwrites: true,
  isFar: true,
  packBytes: 16 * 1024 * 1024,
  retryMs: 15 * 60 * 1000,
}

const FILE_MODE = 0o600
/** A call that moves more than this is worth a connection of its own. */
const LONG_BYTES = 1024 * 1024
const FOLDERS_AT_ONCE = 16

/** Objects are files below a folder of a server, laid out as in a folder of this machine. */
export class SftpStorage implements Storage {
  readonly location: string
  readonly traits: StorageTraits
  readonly #server: Server
  readonly #pool: ConnectionPool
  readonly #folders: Folders
  #swept: Promise<void> | undefined

  /** @param url without a password, as `locationOf` lets it pass */
  constructor(url: string, server: Server, connect: () => Promise<SftpClient>, connections = MOST_CONNECTIONS) {
    this.location = url
    // One may wait for the server's disk while another one is sent.
    this.traits = { ...TRAITS, concurrency: connections * 2, saves: connections }
    this.#server = server
    this.#pool = new ConnectionPool(connect, connections)
    this.#folders = new Folders(server.location.folder)
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    // Level by level, several folders at once: each of the 256 below `data` takes round trips of its own.
    for (let level = [prefix]; level.length > 0; ) {
      const below: string[] = []
      for (let at = 0; at < level.length; at += FOLDERS_AT_ONCE) {
        const some = level.slice(at, at + FOLDERS_AT_ONCE)
        const listed = await Promise.all(some.map(folder => this.#listFolder(folder, options.signal)))
        for (const { objects, folders } of listed) {
          yield* objects
          below.push(...folders)
        }
      }
      level = below
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key
  }

  async find(key: string, { signal }: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    assertKey(key)
    return await this.#call({ verb: 'look for', key }, signal, 0, async client => {
      try {
        const { kind, sizeBytes, modifiedAt } = await client.stat(this.#folders.path(key), signal)
        if (kind !== 'file' || sizeBytes === undefined) return undefined
        return { key, sizeBytes, ...(modifiedAt === undefined ? {} : { modifiedAt }) }
      } catch (error) {
        if (isStatus(error, STATUS.noSuchFile)) return undefined
        throw error
      }
    })
  }

  async load(key: string, { range, into, signal }: LoadOptions = {}): Promise<Buffer> {
    assertKey(key)
    const moved = range?.length ?? into?.length ?? 0
    return await this.#call({ verb: 'read', key }, signal, moved, async client => {
      const handle = await client.openForReading(this.#folders.path(key), signal)
      try {
        const loaded = range
          ? await readRange(client, handle, range, into, signal)
          : await readWhole(client, handle, into, signal)
        this.#folders.noteObject(key)
        return loaded
      } finally {
        client.close(handle).catch(() => undefined)
      }
    })
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    assertKey(key)
    const { signal, ifAbsent = false } = options
    const parts = content instanceof Uint8Array ? [content] : content
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
    const call = { verb: 'write', key } as const
    await this.#call(call, signal, sizeBytes, async client => {
      const unfinished = this.#folders.path(`${UNFINISHED_FOLDER}/${unfinishedName()}`)
      const path = this.#folders.path(key)
      try {
        await this.#write(client, unfinished, parts, signal)
        throwIfAborted(signal)
        await this.#folders.within(client, dirname(path), () => moveTo(client, unfinished, path, ifAbsent, signal))
      } catch (error) {
        client.remove(unfinished).catch(() => undefined)
        throw await this.#explained(client, { ...call, location: this.location }, error, sizeBytes)
      }
      await syncFolder(client, dirname(path), signal)
      this.#folders.noteObject(key)
    })
  }

  async remove(key: string, { signal }: StorageCallOptions = {}): Promise<void> {
    assertKey(key)
    const path = this.#folders.path(key)
    await this.#call({ verb: 'remove', key }, signal, 0, async client => {
      // A lock or a pack that comes back after a power cut would contradict what was written since.
      if (await removeIfThere(client, path, signal)) await syncFolder(client, dirname(path), signal)
    })
  }

  async freeBytes(): Promise<number | undefined> {
    return await this.#call({ verb: 'look for', key: 'the free space' }, undefined, 0, async client => {
      if (!client.offers('statvfs')) return undefined
      for (let folder = this.#folders.path(''); ; folder = dirname(folder)) {
        try {
          return (await client.fileSystem(folder)).freeBytes
        } catch (error) {
          if (!isStatus(error, STATUS.noSuchFile)) throw error
          if (folder === dirname(folder)) return undefined
        }
      }
    })
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }

  async #call<T>(
    call: Omit<FailedCall, 'location'>,
    signal: AbortSignal | undefined,
    moved: number,
    work: (client: SftpClient) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal)
    try {
      return await this.#pool.use(moved > LONG_BYTES, signal, work)
    } catch (error) {
      throw remoteError({ ...call, location: this.location }, error, this.#server)
    }
  }

  async #write(
    client: SftpClient,
    path: string,
    parts: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const create = (): Promise<Handle> => client.create(path, FILE_MODE, signal)
    const handle = await this.#folders.within(client, dirname(path), create)
    try {
      this.#swept ??= removeUnfinished(client, path)
      await client.write(handle, parts, signal).catch((error: unknown) => {
        throw error instanceof SftpStatusError ? new RefusedData(error) : error
      })
      if (client.offers('fsync')) await client.fsync(handle, signal)
      await this.#swept
    } catch (error) {
      client.close(handle).catch(() => undefined)
      throw error
    }
    await client.close(handle)
  }

  /** SFTP has one word, "Failure", for a full disk, a quota, a disk that is read-only, and more. */
  async #explained(client: SftpClient, call: FailedCall, error: unknown, sizeBytes: number): Promise<unknown> {
    const said = error instanceof RefusedData ? error.cause : error
    if (!isStatus(said, STATUS.failure)) return said
    const disk = await this.#findDisk(client)
    if (disk?.isReadOnly === true) {
      const hint = `Mount it on ${this.#server.location.host} so that it can be written to: mount -o remount,rw.`
      return storageError('storage-denied', call, { reason: 'its disk is mounted read-only', hint, cause: said })
    }
    if (disk && (disk.freeBytes < sizeBytes || !disk.takesFiles)) {
      return storageError('storage-full', call, { cause: said })
    }
    if (!(error instanceof RefusedData)) return said
    const reason = 'the server takes no more data; a quota may be reached'
    return storageError('storage-full', call, { reason, cause: said })
  }

  /** What is known of the disk that objects are written to. */
  async #findDisk(client: SftpClient): Promise<FileSystem | undefined> {
    if (!client.offers('statvfs')) return undefined
    const root = (): Promise<FileSystem | undefined> => client.fileSystem(this.#folders.path('')).catch(() => undefined)
    return await client.fileSystem(this.#folders.path(UNFINISHED_FOLDER)).catch(root)
  }

  /** The objects in a folder, and the folders in it, as prefixes. */
  async #listFolder(
    prefix: string,
    signal: AbortSignal | undefined,
  ): Promise<{ objects: StoredObject[]; folders: string[] }> {
    return await this.#call({ verb: 'list', key: prefix }, signal, 0, async client => {
      const objects: StoredObject[] = []
      const folders: string[] = []
      for (const entry of await this.#entries(client, prefix, signal)) {
        const key = prefix + entry.name
        if (entry.name.includes('/') || !isKey(key)) continue
        const { kind, sizeBytes, modifiedAt } = await this.#followed(client, entry, key, signal)
        if (kind === 'folder') folders.push(`${key}/`)
        else if (kind === 'file' && sizeBytes !== undefined) {
          objects.push({ key, sizeBytes, ...(modifiedAt === undefined ? {} : { modifiedAt }) })
        }
      }
      return { objects, folders }
    })
  }

  async #entries(client: SftpClient, prefix: string, signal: AbortSignal | undefined): Promise<FolderEntry[]> {
    try {
      return await client.listFolder(this.#folders.path(prefix.slice(0, -1)), signal)
    } catch (error) {
      if (isStatus(error, STATUS.noSuchFile)) return []
      throw error
    }
  }

  /** People put `data` elsewhere by a link; some servers do not tell kinds or sizes. */
  async #followed(
    client: SftpClient,
    entry: FolderEntry,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<Omit<FolderEntry, 'name'>> {
    if (entry.kind === 'folder' || (entry.kind === 'file' && entry.sizeBytes !== undefined)) return entry
    try {
      return await client.stat(this.#folders.path(key), signal)
    } catch (error) {
      // Removed since the folder was read, or a link to nothing: as if it had been removed before.
      if (error instanceof SftpStatusError) return { kind: 'other', sizeBytes: undefined, modifiedAt: undefined }
      throw error
    }
  }
}

/** The server did not take what was to be written to a file that it opened. */
class RefusedData extends Error {
  override readonly cause: SftpStatusError

  constructor(cause: SftpStatusError) {
    super(cause.message)
    this.cause = cause
  }
}
