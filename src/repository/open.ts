import { AppError, isAppError } from '../base/errors.ts'
import type { Id } from '../model/node.ts'
import type { Storage } from '../storage/storage.ts'
import { Cipher } from './crypto/cipher.ts'
import { openKeyFile } from './crypto/password.ts'
import { type Config, parseConfig } from './format/config.ts'
import { CONFIG_KEY, shortId } from './format/file-keys.ts'
import type { KeyMaterial } from './format/key-file.ts'
import { KeyHint } from './key/key-hint.ts'
import { damagedKey, listKeyIds, loadKeyFile } from './key/key-ring.ts'
import { OpenedRepository } from './opened-repository.ts'
import type { Repository, RepositoryOptions } from './repository.ts'

/** Each try costs scrypt's time and memory; a repository with more passwords than this is hostile. */
const MAX_KEYS_TRIED = 64

/**
 * Opens an existing repository. Touches nothing in it. `no-repository` (there is no config), `wrong-password`,
 * `repository-too-new`, `damaged` (config or keys).
 */
export async function openRepository(storage: Storage, options: RepositoryOptions): Promise<Repository> {
  const hint = new KeyHint(storage, options.cacheDir, options.random)
  const known = await hint.load()
  const quick = known === undefined ? undefined : await tryKnownKey(storage, options, known)
  if (quick) return new OpenedRepository({ storage, options, keyIds: [quick.keyId], ...quick })
  const [sealedConfig, keyIds] = await Promise.all([loadConfig(storage), listKeyIds(storage)])
  if (keyIds.length === 0) {
    throw new AppError('damaged', `repository ${storage.location} has no key files`, {
      hint: `Bring back its folder "keys" from a copy: without a key file nothing can be decrypted.${ofPast(storage)}`,
    })
  }
  const opened = await tryKeys(storage, options, keyIds, sealedConfig)
  await hint.keep(opened.keyId)
  return new OpenedRepository({ storage, options, keyIds, ...opened })
}

/** Undefined where it is not that simple: then all keys are looked at, and what is wrong is said. */
async function tryKnownKey(storage: Storage, options: RepositoryOptions, keyId: Id): Promise<OpenedKeys | undefined> {
  const ordinary = (error: unknown): undefined => {
    if (!isAppError(error, 'damaged')) throw error
  }
  const [sealedConfig, keys] = await Promise.all([loadConfig(storage), tryKey(storage, options, keyId).catch(ordinary)])
  const config = keys && new Cipher(keys).open(sealedConfig)
  return config && { config: parseConfig(config), keys, keyId }
}

async function loadConfig(storage: Storage): Promise<Buffer> {
  try {
    return await storage.load(CONFIG_KEY)
  } catch (cause) {
    if (!isAppError(cause, 'storage-not-found')) throw cause
    throw new AppError('no-repository', `there is no repository at ${storage.location}`, {
      hint: `If there was one, bring its disk back or correct its "url" in lifeboat.yaml; "lifeboat init" creates a new one.${ofPast(storage)}`,
      cause,
    })
  }
}

interface OpenedKeys {
  readonly config: Config
  readonly keys: KeyMaterial
  readonly keyId: Id
}

async function tryKeys(
  storage: Storage,
  options: RepositoryOptions,
  ids: readonly Id[],
  sealedConfig: Buffer,
): Promise<OpenedKeys> {
  let damaged: AppError | undefined
  let fitting = 0
  for (const id of ids.slice(0, MAX_KEYS_TRIED)) {
    const keys = await tryKey(storage, options, id).catch((error: unknown) => {
      if (!isAppError(error, 'damaged')) throw error
      options.onFinding?.(damagedKey(id, error))
      damaged ??= error
      return undefined
    })
    if (keys === undefined) continue
    fitting++
    const config = new Cipher(keys).open(sealedConfig)
    // A key that opens but does not fit the config is left over from an "init" that was killed.
    if (config) return { config: parseConfig(config), keys, keyId: id }
  }
  if (fitting > 0) throw configDamaged(storage)
  throw damaged && ids.length === 1 ? damaged : wrongPassword(storage, damaged)
}

// A check needs the config as well, so it cannot help here.
function configDamaged(storage: Storage): AppError {
  return new AppError('damaged', `config is damaged: its seal is broken (${storage.location})`, {
    hint: `Bring back the file "config" of the repository from a copy: nothing can be read without it.${ofPast(storage)}`,
    context: { subject: 'config' },
  })
}

async function tryKey(storage: Storage, options: RepositoryOptions, id: Id): Promise<KeyMaterial | undefined> {
  try {
    return await openKeyFile(await loadKeyFile(storage, id), options.password, `key ${shortId(id)}`)
  } catch (error) {
    // Another process's "key remove" may have been faster than we.
    if (isAppError(error, 'storage-not-found')) return undefined
    throw error
  }
}

/** What somebody destroyed may still be there. */
function ofPast({ history }: Storage): string {
  return history === undefined
    ? ''
    : ' If its bucket keeps old versions, "lifeboat history" shows what happened, and --as-of TIME opens it as it was.'
}

function wrongPassword(storage: Storage, damaged: AppError | undefined): AppError {
  const also = damaged ? `; besides, ${damaged.message}` : ''
  return new AppError('wrong-password', `the password opens none of the keys of ${storage.location}${also}`, {
    hint: `Check "passwordFile", "passwordEnv" or "passwordCommand" of this repository in lifeboat.yaml.${ofPast(storage)}`,
  })
}
