import { type AppError, isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { parseConfig } from '../format/config.ts'
import { CONFIG_KEY, fileKey, shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import { parseKeyFile } from '../format/key-file.ts'
import { parseLockFile } from '../format/lock-file.ts'
import { parseSnapshot } from '../format/snapshot-file.ts'
import { blobId } from '../pack/blob.ts'
import type { Damage, OpenFinding } from './damage.ts'
import type { Inventory } from './inventory.ts'

export interface FilesToCheck {
  readonly storage: Storage
  readonly cipher: Cipher
  readonly files: RepositoryFiles
  readonly signal: AbortSignal
}

/** Config, keys and locks. What they say is not needed to read snapshots now, but to open the repository again. */
export async function checkSmallFiles(from: FilesToCheck, inventory: Inventory, damage: Damage): Promise<void> {
  await checkConfig(from, inventory, damage)
  const needOnlyKey = inventory.key.length === 1 ? inventory.snapshot : []
  for (const id of inventory.key) await checkKey(from, id, damage, needOnlyKey)
  await from.files.loadEach(
    'lock',
    inventory.lock,
    (id, json) => {
      const error = damageOf(json, bytes => parseLockFile(bytes, `lock ${shortId(id)}`))
      if (error) damage.add(lockFinding(id, error), [])
    },
    from.signal,
  )
  for (const key of inventory.unknown) damage.add(unknownFile(key), [])
}

/** All snapshots that can be read. */
export async function checkSnapshots(from: FilesToCheck, inventory: Inventory, damage: Damage): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = []
  await from.files.loadEach(
    'snapshot',
    inventory.snapshot,
    (id, json) => {
      const error = damageOf(json, bytes => snapshots.push(parseSnapshot(bytes, id, `snapshot ${shortId(id)}`)))
      if (error) damage.add(snapshotFinding(id, error), [id])
    },
    from.signal,
  )
  return snapshots.sort((a, b) => a.time.getTime() - b.time.getTime())
}

/** What is wrong with a file; undefined when nothing is, or it was removed since it was listed. */
function damageOf(json: Uint8Array | AppError, parse: (bytes: Uint8Array) => unknown): AppError | undefined {
  if (!(json instanceof Uint8Array)) return isAppError(json, 'storage-not-found') ? undefined : json
  try {
    parse(json)
    return undefined
  } catch (error) {
    if (isAppError(error, 'damaged')) return error
    throw error
  }
}

async function checkConfig(
  { storage, cipher, signal }: FilesToCheck,
  inventory: Inventory,
  damage: Damage,
): Promise<void> {
  if (!inventory.hasConfig) {
    damage.add(configFinding('config-missing', 'the config file is missing'), inventory.snapshot)
    return
  }
  try {
    const opened = cipher.open(await storage.load(CONFIG_KEY, { signal }))
    if (opened === undefined) throw invalid('config', 'its seal is broken')
    parseConfig(opened)
  } catch (error) {
    if (!isAppError(error, 'damaged') && !isAppError(error, 'repository-too-new')) throw error
    damage.add(configFinding('config-damaged', error.message), inventory.snapshot)
  }
}

async function checkKey(
  { storage, signal }: FilesToCheck,
  id: Id,
  damage: Damage,
  affects: readonly Id[],
): Promise<void> {
  const subject = `key ${shortId(id)}`
  try {
    const bytes = await storage.load(fileKey('key', id), { signal })
    if (blobId(bytes) !== id) throw invalid(subject, 'its content does not match its name')
    parseKeyFile(bytes, subject)
  } catch (error) {
    if (isAppError(error, 'storage-not-found')) return
    if (!isAppError(error, 'damaged')) throw error
    damage.add(
      {
        severity: 'error',
        code: 'key-damaged',
        subject,
        message: error.message,
        hint: 'Its password may not open the repository any more. Add a new key with "lifeboat key add", then remove this one.',
      },
      affects,
    )
  }
}

function configFinding(code: string, message: string): OpenFinding['finding'] {
  return {
    severity: 'error',
    code,
    subject: 'config',
    message,
    hint: 'No program can open the repository without it. Copy the config file back from another copy of the repository.',
  }
}

function snapshotFinding(id: Id, error: AppError): OpenFinding['finding'] {
  return {
    severity: 'error',
    code: 'snapshot-damaged',
    subject: `snapshot ${shortId(id)}`,
    message: error.message,
    hint: 'Run "lifeboat repair snapshots": with parity it is whole again, with --forget it is removed. Its data may still be there, but nothing says which it is.',
  }
}

function lockFinding(id: Id, error: AppError): OpenFinding['finding'] {
  return {
    severity: 'warning',
    code: 'lock-damaged',
    subject: `lock ${shortId(id)}`,
    message: error.message,
    hint: 'When no backup is running, remove it with "lifeboat unlock --all".',
  }
}

function unknownFile(key: string): OpenFinding['finding'] {
  return { severity: 'info', code: 'file-unknown', subject: key, message: 'this is no file of a repository' }
}
