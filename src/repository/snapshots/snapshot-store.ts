import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import type { Random } from '../../base/random.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { untilOf } from '../../storage/storage-error.ts'
import type { Snapshot, SnapshotList } from '../contract/snapshot.ts'
import type { NewSnapshot } from '../contract/writing.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { fileKey, isId, shortId } from '../format/file-keys.ts'
import { parseJson, utf8 } from '../format/json.ts'
import { formatSnapshot, parseSnapshot, readSnapshot } from '../format/snapshot-file.ts'

export interface SnapshotStoreOptions extends Pick<RepositoryContext, 'storage' | 'cipher' | 'zstd'> {
  readonly files: RepositoryFiles
  /** The repository's own cache folder; undefined: every snapshot file is read each time. */
  readonly cacheDir: string | undefined
  readonly random: Random
  readonly isFar: boolean
}

const CACHE_FILE = 'snapshot-list'
const COMPRESSION = { level: 1 } as const
const MAX_CACHE_BYTES = 512 * 1024 * 1024

/** Snapshot files. Their JSON is cached in one sealed file, so that a list of thousands does not read thousands. */
export class SnapshotStore {
  readonly #options: SnapshotStoreOptions
  #listed: ReadonlySet<Id> | undefined

  constructor(options: SnapshotStoreOptions) {
    this.#options = options
  }

  /** Oldest first; unreadable ones are findings. */
  async list(): Promise<SnapshotList> {
    const ids = new Set(await this.#options.files.listIds('snapshot'))
    this.#listed = ids
    const files = await this.#loadCache()
    const known = files.size
    for (const id of files.keys()) if (!ids.has(id)) files.delete(id)
    const missing = [...ids].filter(id => !files.has(id))
    const findings: Finding[] = []
    await this.#options.files.loadEach('snapshot', missing, (id, bytes) => {
      const json = bytes instanceof AppError ? bytes : tryParse(bytes, id)
      if (!(json instanceof AppError)) files.set(id, json)
      else if (json.code === 'damaged') findings.push(damagedSnapshot(id, json))
    })
    const snapshots = readAll(files, findings)
    if (files.size !== known || missing.length > findings.length) await this.#saveCache(files)
    return { snapshots: snapshots.sort(byTime), findings }
  }

  /** When each file was stored, by the storage's clock; without those of which a listing does not tell it. */
  async readTimes(signal?: AbortSignal): Promise<Map<Id, Date>> {
    return await this.#options.files.listTimes('snapshot', signal)
  }

  /** Ids of those that were there when this was last asked for them. */
  async listedIds(): Promise<Iterable<Id>> {
    this.#listed ??= new Set(await this.#options.files.listIds('snapshot'))
    return this.#listed
  }

  /** `snapshot-not-found`, `ambiguous-id`, `damaged`. */
  async get(idOrPrefix: string): Promise<Snapshot> {
    const id = isId(idOrPrefix) ? idOrPrefix : await this.#resolve(idOrPrefix)
    try {
      return parseSnapshot(await this.#options.files.load('snapshot', id), id, `snapshot ${shortId(id)}`)
    } catch (error) {
      throw isAppError(error, 'storage-not-found') ? noSnapshot(idOrPrefix) : error
    }
  }

  /** Until when it is locked, if it is; undefined where the storage does not say. */
  async remove(id: Id): Promise<'removed' | Date | undefined> {
    const { files, storage } = this.#options
    try {
      await files.remove('snapshot', id)
      return 'removed'
    } catch (error) {
      if (!isAppError(error, 'storage-locked')) throw error
      return untilOf(error) ?? (await storage.retention?.findLockedUntil(fileKey('snapshot', id)))
    }
  }

  async save(snapshot: NewSnapshot, signal: AbortSignal): Promise<Snapshot> {
    return await this.saveJson(formatSnapshot(snapshot), signal)
  }

  /** @param json a snapshot file's plaintext */
  async saveJson(json: Uint8Array, signal: AbortSignal): Promise<Snapshot> {
    const id = await this.#options.files.save('snapshot', json, signal)
    if (this.#options.isFar) await this.#addToCache(id, json)
    return parseSnapshot(json, id, `snapshot ${shortId(id)}`)
  }

  async #resolve(prefix: string): Promise<Id> {
    const ids = /^[0-9a-f]{4,64}$/.test(prefix) ? await this.#options.files.listIds('snapshot') : []
    const found = ids.filter(id => id.startsWith(prefix))
    const [first] = found
    if (first === undefined) throw noSnapshot(prefix)
    if (found.length > 1) {
      const shown = found.slice(0, 5).map(shortId).join(', ')
      throw new AppError('ambiguous-id', `several snapshots begin with ${prefix}: ${shown}`, {
        hint: 'Give more digits.',
      })
    }
    return first
  }

  /** Where reading it back would be a call of its own. */
  async #addToCache(id: Id, json: Uint8Array): Promise<void> {
    const files = await this.#loadCache()
    await this.#saveCache(files.set(id, parseJson(json, `snapshot ${shortId(id)}`)))
  }

  /** Each file's JSON, parsed together with the whole: a second time, one by one, takes as long as all the rest. */
  async #loadCache(): Promise<Map<Id, unknown>> {
    const { cacheDir, cipher, zstd } = this.#options
    if (cacheDir === undefined) return new Map()
    try {
      const opened = cipher.open(await readFile(join(cacheDir, CACHE_FILE)))
      const json = opened && zstd.decompress(opened, MAX_CACHE_BYTES)
      // Sealed with the repository's key: what opens is what we wrote.
      return new Map(json ? (JSON.parse(utf8(json)) as [Id, unknown][]).filter(([id]) => isId(id)) : [])
    } catch {
      // Missing, cut or changed: it is only a cache.
      return new Map()
    }
  }

  async #saveCache(files: ReadonlyMap<Id, unknown>): Promise<void> {
    const { cacheDir, cipher, zstd, random } = this.#options
    if (cacheDir === undefined) return
    const sealed = cipher.seal(zstd.compress(Buffer.from(JSON.stringify([...files])), COMPRESSION))
    const temporary = join(cacheDir, `${CACHE_FILE}.${random.bytes(6).toString('hex')}.tmp`)
    try {
      await makeFolders(cacheDir, 0o700)
      await writeFile(temporary, sealed, { mode: 0o600, flag: 'wx' })
      await rename(temporary, join(cacheDir, CACHE_FILE))
    } catch {
      // A cache that cannot be written costs time, nothing else.
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}

function noSnapshot(id: string): AppError {
  return new AppError('snapshot-not-found', `there is no snapshot ${id}`, {
    hint: 'Run "lifeboat snapshots" to see what there is. An id needs at least 4 of its digits.',
  })
}

function tryParse(bytes: Uint8Array, id: Id): unknown {
  try {
    return parseJson(bytes, `snapshot ${shortId(id)}`)
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
}

function readAll(files: ReadonlyMap<Id, unknown>, findings: Finding[]): Snapshot[] {
  const snapshots: Snapshot[] = []
  for (const [id, json] of files) {
    try {
      snapshots.push(readSnapshot(json, id, `snapshot ${shortId(id)}`))
    } catch (error) {
      if (!isAppError(error)) throw error
      findings.push(damagedSnapshot(id, error))
    }
  }
  return snapshots
}

function byTime(a: Snapshot, b: Snapshot): number {
  return a.time.getTime() - b.time.getTime() || (a.id < b.id ? -1 : 1)
}

function damagedSnapshot(id: Id, error: AppError): Finding {
  return {
    severity: 'error',
    code: 'snapshot-damaged',
    subject: `snapshot ${shortId(id)}`,
    message: error.message,
    hint: 'Its data may still be there, but nothing says which it is. Make a new backup.',
    affects: [id],
  }
}
