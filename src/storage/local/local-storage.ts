import { constants, type Dirent } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AdapterContext } from '../../base/adapter-context.ts'
import type { Bandwidth, Throttle } from '../../base/bandwidth.ts'
import { syncFolder } from '../../base/durable.ts'
import { AppError, systemCode, throwIfAborted } from '../../base/errors.ts'
import { type FolderOwner, giveFolder, ownerOfFolder } from '../../base/folder-owner.ts'
import { addName } from '../../base/second-name.ts'
import { assertKey, assertPrefix, isKey } from '../keys.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StorageTraits, StoredObject } from '../storage.ts'
import { UNFINISHED_FOLDER, unfinishedName } from '../unfinished-name.ts'
import { rootOf } from './root.ts'
import { systemError, TooShort } from './system-errors.ts'
import { HIDDEN, removeUnfinished } from './unfinished.ts'
import { type FileToWrite, writeDurably } from './write-file.ts'

const STATS_AT_ONCE = 256

export async function openLocalStorage(url: string, _options: object, context: AdapterContext): Promise<Storage> {
  return new LocalStorage(rootOf(url, context.baseDir), context.bandwidth)
}

/** Two saves at once keep a disk busy; each pack is brought to it before the next. */
const TRAITS: StorageTraits = {
  kind: 'local',
  keys: 'any',
  overwrites: true,
  isFar: false,
  concurrency: 4,
  saves: 2,
  packBytes: 4 * 1024 * 1024,
  retryMs: 0,
}

/** Objects are files below `root`, 0600 in folders of 0700; they belong to whom the folder belongs to that holds them. */
export class LocalStorage implements Storage {
  readonly location: string
  readonly traits = TRAITS
  readonly #root: string
  readonly #bandwidth: Bandwidth | undefined
  readonly #folders = new Map<string, Promise<FolderOwner>>()
  /** Folders of the repository that lie on another file system than its root. */
  readonly #apart = new Set<string>()
  #swept: Promise<void> | undefined
  /** Inode of the root once anything was read from it or written to it. */
  #rootSeen: bigint | undefined

  /**
   * @param root absolute
   * @param bandwidth for a folder that lies behind a line
   */
  constructor(root: string, bandwidth?: Bandwidth) {
    this.#root = root
    this.#bandwidth = bandwidth
    this.location = root
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    for await (const keys of this.#listFolders(prefix, options)) {
      for (let at = 0; at < keys.length; at += STATS_AT_ONCE) {
        throwIfAborted(options.signal)
        const found = await Promise.all(keys.slice(at, at + STATS_AT_ONCE).map(key => this.find(key)))
        // Removed since the folder was read: as if it had been removed before.
        for (const object of found) if (object) yield object
      }
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const keys of this.#listFolders(prefix, options)) yield* keys
  }

  async find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    const path = this.#begin(key, options)
    try {
      const status = await stat(path)
      return status.isFile() ? { key, sizeBytes: status.size, modifiedAt: status.mtime } : undefined
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw systemError({ verb: 'look for', key, location: this.location }, error)
    }
  }

  async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    const path = this.#begin(key, options)
    try {
      const file = await open(path, constants.O_RDONLY)
      try {
        await this.#rememberRoot()
        const range = options.range ?? { offset: 0, length: (await file.stat()).size }
        return await readExactly(file, range, options, this.#bandwidth?.down)
      } finally {
        await file.close()
      }
    } catch (error) {
      throw systemError({ verb: 'read', key, location: this.location }, error)
    }
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    const path = this.#begin(key, options)
    const parts = content instanceof Uint8Array ? [content] : content
    try {
      await this.#prepare()
      const owner = await this.#createFolder(dirname(path))
      const move = options.ifAbsent ? moveIfAbsent : rename
      const line = { throttle: this.#bandwidth?.up, signal: options.signal }
      await this.#writeAndMove(key, { parts, owner, ...line }, async unfinished => {
        throwIfAborted(options.signal)
        await move(unfinished, path)
      })
      await syncFolder(dirname(path))
      await this.#rememberRoot()
    } catch (error) {
      this.#folders.clear()
      throw systemError({ verb: 'write', key, location: this.location }, error)
    }
  }

  async remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    const path = this.#begin(key, options)
    try {
      await unlink(path)
      // A lock or a pack that comes back after a power cut would contradict what was written since.
      await syncFolder(dirname(path))
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return
      throw systemError({ verb: 'remove', key, location: this.location }, error)
    }
  }

  async freeBytes(): Promise<number | undefined> {
    for (let folder = this.#root; ; folder = dirname(folder)) {
      const free = await statfs(folder).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT')
          throw systemError({ verb: 'look for', key: 'the free space', location: folder }, error)
      })
      if (free) return free.bavail * free.bsize
      if (folder === dirname(folder)) return undefined
    }
  }

  async close(): Promise<void> {
    await this.#swept
  }

  /** People put `data` on another disk by a link or a mount; a file can be moved within one file system only. */
  async #writeAndMove(key: string, file: FileToWrite, move: (unfinished: string) => Promise<void>): Promise<void> {
    const folder = join(this.#root, dirname(key).split('/', 1)[0] ?? '')
    if (!this.#apart.has(folder)) {
      try {
        return await writeThenMove(join(this.#root, UNFINISHED_FOLDER, unfinishedName()), file, move)
      } catch (error) {
        if (systemCode(error) !== 'EXDEV') throw error
        await removeUnfinished(folder)
        this.#apart.add(folder)
      }
    }
    await writeThenMove(join(folder, unfinishedName(HIDDEN)), file, move)
  }

  #begin(key: string, options: StorageCallOptions): string {
    assertKey(key)
    throwIfAborted(options.signal)
    return join(this.#root, key)
  }

  /** The keys under a prefix, one folder at a time. */
  async *#listFolders(prefix: string, options: StorageCallOptions): AsyncIterable<string[]> {
    assertPrefix(prefix)
    const pending = [prefix]
    for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
      throwIfAborted(options.signal)
      const keys: string[] = []
      for (const entry of await this.#readFolder(folder)) {
        const key = folder + entry.name
        if (!isKey(key)) continue
        const kind = await this.#kindOf(entry, key)
        if (kind === 'folder') pending.push(`${key}/`)
        else if (kind === 'file') keys.push(key)
      }
      yield keys
    }
  }

  async #readFolder(prefix: string): Promise<Dirent[]> {
    try {
      return await readdir(join(this.#root, prefix), { withFileTypes: true })
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw systemError({ verb: 'list', key: prefix, location: this.location }, error)
    }
  }

  // People put `data` on another disk by a link; some file systems do not tell types.
  async #kindOf(entry: Dirent, key: string): Promise<'folder' | 'file' | 'other'> {
    if (entry.isFile()) return 'file'
    if (entry.isDirectory()) return 'folder'
    const status = await stat(join(this.#root, key)).catch(() => undefined)
    if (status?.isDirectory()) return 'folder'
    return status?.isFile() ? 'file' : 'other'
  }

  async #prepare(): Promise<void> {
    await this.#createFolder(join(this.#root, UNFINISHED_FOLDER))
    this.#swept ??= removeUnfinished(join(this.#root, UNFINISHED_FOLDER))
    await this.#swept
  }

  async #rememberRoot(): Promise<void> {
    this.#rootSeen ??= await this.#rootInode()
  }

  async #rootInode(): Promise<bigint | undefined> {
    return (await stat(this.#root, { bigint: true }).catch(() => undefined))?.ino
  }

  /**
   * Where a disk was taken away, an empty mount point is left, or nothing: what is written there would be hidden, or
   * missing, when the disk is back. Asked whenever a folder must be made, as it must in an empty place. The device's
   * number is not compared: it may be another one then.
   */
  async #requireSameRoot(): Promise<void> {
    if (this.#rootSeen === undefined || this.#rootSeen === (await this.#rootInode())) return
    throw new AppError('storage-failed', `the folder ${this.#root} is gone, or another one than before`, {
      hint: 'Bring its disk back, then try again.',
    })
  }

  /** Creates a folder and its parents, each made durable in its own parent. Gives whose files in it are to be. */
  #createFolder(folder: string): Promise<FolderOwner> {
    // One at a time: a folder that was made and not yet given to its owner tells the next save the wrong owner.
    let made = this.#folders.get(folder)
    if (made === undefined) {
      made = this.#makeFolder(folder)
      this.#folders.set(folder, made)
    }
    return made
  }

  async #makeFolder(folder: string): Promise<FolderOwner> {
    await this.#requireSameRoot()
    try {
      await this.#makeOne(folder)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || folder === dirname(folder)) throw error
      await this.#createFolder(dirname(folder))
      // With a parent, as below /proc or through a link to what is not mounted, it is no use to try a third time.
      await this.#makeOne(folder)
    }
    return ownerOfFolder(folder)
  }

  async #makeOne(folder: string): Promise<void> {
    const parent = dirname(folder)
    try {
      await mkdir(folder, { mode: 0o700 })
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return
      throw error
    }
    await giveFolder(folder, await (this.#folders.get(parent) ?? ownerOfFolder(parent)))
    await syncFolder(parent)
  }
}

async function readExactly(
  file: FileHandle,
  { offset, length }: { readonly offset: number; readonly length: number },
  { into, signal }: LoadOptions,
  throttle: Throttle | undefined,
): Promise<Buffer> {
  // A buffer of its own, so that it can be handed to a worker thread without a copy.
  const buffer = into && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length)
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(
      buffer,
      at,
      Math.min(length - at, throttle?.sliceBytes ?? length),
      offset + at,
    )
    await throttle?.take(bytesRead, signal)
    if (bytesRead === 0) throw new TooShort()
    at += bytesRead
  }
  return buffer
}

async function writeThenMove(
  unfinished: string,
  file: FileToWrite,
  move: (unfinished: string) => Promise<void>,
): Promise<void> {
  try {
    await writeDurably(unfinished, file)
    await move(unfinished)
  } catch (error) {
    await unlink(unfinished).catch(() => {})
    throw error
  }
}

async function moveIfAbsent(from: string, to: string): Promise<void> {
  if (await addName(from, to)) return unlink(from)
  // A file system without hard links: two writers in the same instant could both win here.
  const existing = await stat(to).catch(() => undefined)
  if (existing) throw Object.assign(new Error('EEXIST: file already exists'), { code: 'EEXIST' })
  return rename(from, to)
}
