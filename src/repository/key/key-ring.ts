import type { Clock } from '../../base/clock.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Secret } from '../../base/secret.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { ChangedPassword, KeyInfo, KeyLabel, RemovedKey } from '../contract/keys-and-locks.ts'
import { makeKeyFile } from '../crypto/password.ts'
import { FOLDERS, fileKey, idOfKey, shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import { formatKeyFile, type KeyFile, type KeyMaterial, parseKeyFile } from '../format/key-file.ts'
import { blobId } from '../pack/blob.ts'
import { parityKey } from '../parity/parity-keys.ts'

export interface KeyRingContext {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly onFinding: (finding: Finding) => void
}

export async function listKeyIds(storage: Storage): Promise<Id[]> {
  const ids: Id[] = []
  for await (const key of storage.listKeys(FOLDERS.key)) {
    const id = idOfKey(key)
    if (id !== undefined) ids.push(id)
  }
  return ids.sort()
}

/** `damaged` when its content is not what it was, `storage-not-found`. */
export async function loadKeyFile(storage: Storage, id: Id): Promise<KeyFile> {
  const bytes = await storage.load(fileKey('key', id))
  const subject = `key ${shortId(id)}`
  if (blobId(bytes) !== id) throw invalid(subject, 'its content does not match its name')
  return parseKeyFile(bytes, subject)
}

/** Stores the master keys under a new password. Returns the key file's id. */
export async function saveKey(
  context: KeyRingContext,
  master: KeyMaterial,
  password: Secret,
  label: KeyLabel,
): Promise<Id> {
  const origin = { created: context.clock.now(), hostname: label.hostname, username: label.username }
  const bytes = formatKeyFile(await makeKeyFile(master, password, origin, context.random))
  const id = blobId(bytes)
  await context.storage.save(fileKey('key', id), bytes, { sha256: id })
  return id
}

/** The passwords of an opened repository: one key file each, all holding the same master keys. */
export class KeyRing {
  readonly #context: KeyRingContext
  readonly #master: KeyMaterial
  #current: Id

  /** @param current the key file that the repository was opened with */
  constructor(context: KeyRingContext, master: KeyMaterial, current: Id) {
    this.#context = context
    this.#master = master
    this.#current = current
  }

  /** Oldest first. Unreadable key files are findings. */
  async list(): Promise<KeyInfo[]> {
    const keys: KeyInfo[] = []
    for (const id of await listKeyIds(this.#context.storage)) {
      try {
        keys.push(this.#info(id, await loadKeyFile(this.#context.storage, id)))
      } catch (error) {
        if (isAppError(error, 'storage-not-found')) continue
        if (!isAppError(error, 'damaged')) throw error
        this.#context.onFinding(damagedKey(id, error))
      }
    }
    return keys.sort((a, b) => a.created.getTime() - b.created.getTime())
  }

  async add(password: Secret, label: KeyLabel): Promise<KeyInfo> {
    const id = await saveKey(this.#context, this.#master, password, label)
    return this.#info(id, await loadKeyFile(this.#context.storage, id))
  }

  /** Call it under the exclusive lock: two processes must not remove each other's last key. */
  async remove(idOrPrefix: string): Promise<RemovedKey> {
    const ids = await listKeyIds(this.#context.storage)
    const id = findByPrefix(ids, idOrPrefix)
    if (ids.length === 1) {
      throw new AppError(
        'last-key',
        `key ${shortId(id)} is the only one: without it the repository could never be opened again`,
        {
          hint: 'Run "lifeboat key add" first.',
        },
      )
    }
    if (id === this.#current) {
      throw new AppError('usage', `key ${shortId(id)} is the one in use`, {
        hint: 'Run "lifeboat key passwd" to replace it, or open the repository with another password.',
      })
    }
    return await this.#remove(id)
  }

  /** The new key is stored, and proven to open, before the old one is removed. */
  async changePassword(password: Secret, label: KeyLabel): Promise<ChangedPassword> {
    const old = this.#current
    const { id } = await this.add(password, label)
    this.#current = id
    const { keptUntil } = await this.#remove(old)
    return { key: this.#info(id, await loadKeyFile(this.#context.storage, id)), keptUntil }
  }

  async #remove(id: Id): Promise<RemovedKey> {
    const { storage } = this.#context
    const keptUntil = await storage.retention?.findLockedUntil(fileKey('key', id))
    const key = fileKey('key', id)
    // Whoever has written it: the key could be brought back from its parity.
    if (storage.traits.keys === 'any') await storage.remove(parityKey(key))
    await storage.remove(key)
    return { id, keptUntil }
  }

  #info(id: Id, file: KeyFile): KeyInfo {
    const { hostname, username, created } = file
    return { id, hostname, username, created, current: id === this.#current }
  }
}

export function damagedKey(id: Id, error: AppError): Finding {
  return {
    severity: 'warning',
    code: 'key-damaged',
    subject: `key ${shortId(id)}`,
    message: error.message,
    hint: 'The password of this key no longer opens the repository. Run "lifeboat key add" to make a new one.',
  }
}

function findByPrefix(ids: readonly Id[], prefix: string): Id {
  const found = /^[0-9a-f]{4,64}$/.test(prefix) ? ids.filter(id => id.startsWith(prefix)) : []
  const [first] = found
  if (first === undefined) {
    throw new AppError('not-found', `no key has the id ${prefix}`, { hint: 'Run "lifeboat key list" to see them.' })
  }
  if (found.length > 1)
    throw new AppError('ambiguous-id', `several keys begin with ${prefix}`, { hint: 'Give more digits.' })
  return first
}
