import { AppError, isAppError } from '../base/errors.ts'
import type { Id } from '../model/node.ts'
import type { Storage } from '../storage/storage.ts'
import { randomPolynomial } from './chunker/polynomial.ts'
import { Cipher } from './crypto/cipher.ts'
import { randomKeys } from './crypto/password.ts'
import { type Config, formatConfig } from './format/config.ts'
import { CONFIG_KEY, FOLDERS, fileKey } from './format/file-keys.ts'
import { listKeyIds, saveKey } from './key/key-ring.ts'
import { currentHost } from './lock/owner.ts'
import { OpenedRepository } from './opened-repository.ts'
import { makeParityHere, withParity } from './parity/parity-storage.ts'
import type { CreateOptions, Repository } from './repository.ts'
import { lockingStorage } from './retention/locking-storage.ts'

/**
 * Makes a new repository. Key before config: what has a config can be opened, and an `init` that was killed in between
 * is repeated as if it had not been. `repository-exists` when there is one; `damaged` when there is one without its config.
 */
export async function createRepository(bare: Storage, options: CreateOptions): Promise<Repository> {
  const storage = withParity(lockingStorage(bare), options.parity, makeParityHere)
  if (await storage.find(CONFIG_KEY)) throw repositoryExists(storage)
  await refuseData(storage)
  const leftOver = await listKeyIds(storage)
  const { random, clock, password } = options
  const keys = randomKeys(random)
  const onFinding = options.onFinding ?? (() => {})
  const keyId = await saveKey({ storage, clock, random, onFinding }, keys, password, currentHost())
  const config: Config = {
    version: options.version ?? 2,
    id: random.bytes(32).toString('hex'),
    chunkerPolynomial: randomPolynomial(random),
  }
  await saveConfig(storage, new Cipher(keys, random).seal(formatConfig(config)), keyId)
  // They open nothing, the config being sealed with other master keys, and restic would try them and give up.
  for (const id of leftOver) await storage.remove(fileKey('key', id))
  return new OpenedRepository({ storage: bare, options, config, keys, keyId, keyIds: [keyId] })
}

async function refuseData(storage: Storage): Promise<void> {
  for (const folder of [FOLDERS.snapshot, FOLDERS.index, FOLDERS.pack]) {
    for await (const key of storage.listKeys(folder)) {
      throw new AppError(
        'damaged',
        `there is a repository at ${storage.location} that has lost its config (found ${key})`,
        {
          hint: 'Bring back its file "config" from a copy, or choose another place for the new repository.',
        },
      )
    }
  }
}

async function saveConfig(storage: Storage, sealed: Buffer, keyId: Id): Promise<void> {
  try {
    await storage.save(CONFIG_KEY, sealed, { ifAbsent: true })
  } catch (error) {
    if (!isAppError(error, 'storage-exists')) throw error
    // Another process was faster: our key fits nothing.
    await storage.remove(fileKey('key', keyId))
    throw repositoryExists(storage)
  }
}

function repositoryExists(storage: Storage): AppError {
  return new AppError('repository-exists', `there is a repository at ${storage.location} already`, {
    hint: 'Use it as it is, or name another place for the new one with --to.',
  })
}
