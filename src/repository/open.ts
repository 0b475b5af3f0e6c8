import { AppError, isAppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { Storage } from '../storage/storage.ts'
import { Cipher } from './crypto/cipher.ts'
import { openKeyFile } from './crypto/password.ts'
import { type Config, parseConfig } from './format/config.ts'
import { CONFIG_KEY, fileKey, shortId } from './format/file-keys.ts'
import { type KeyMaterial, parseKeyFile } from './format/key-file.ts'
import { KeyHint } from './key/key-hint.ts'
import { damagedKey, listKeyIds, loadKeyFile } from './key/key-ring.ts'
import { OpenedRepository } from './opened-repository.ts'
import { healFile } from './parity/heal.ts'
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
  const [sealedConfig, keyIds] = await Promise.all([loadConfig(storage, options), listKeyIds(storage)])
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
  const [sealedConfig, keys] = await Promise.all([
    loadConfig(storage, options),
    tryKey(storage, options, keyId).catch(ordinary),
  ])
  const config = keys && new Cipher(keys).open(sealedConfig)
  return config && { config: parseConfig(config), keys, keyId }
}

async function loadConfig(storage: Storage, options: RepositoryOptions): Promise<Buffer> {
  try {
    return await storage.load(CONFIG_KEY)
  } catch (cause) {
    if (!isAppError(cause, 'storage-not-found')) throw cause
    const healed = await healConfig(storage, options)
    if (healed) return healed
    throw new AppError('no-repository', `there is no repository at ${storage.location}`, {
      hint: `If there was one, bring its disk back or correct its "url" in lifeboat.yaml; "lifeboat init" creates a new one.${ofPast(storage)}`,
      cause,
    })
  }
}

/** Its parity gives it; what is stored stays as it is until somebody repairs it. */
async function healConfig(storage: Storage, { onFinding }: RepositoryOptions): Promise<Buffer | undefined> {
  const healed = await healFile(storage, CONFIG_KEY, undefined)
  if (healed) onFinding?.(readByParity('config'))
  return healed?.bytes
}

function readByParity(subject: string): Finding {
  return {
    severity: 'warning',
    code: 'read-by-parity',
    subject,
    message: 'it is damaged or missing; its parity gives it back',
    hint: 'Run "lifeboat repair index" to put it back.',
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
    const cipher = new Cipher(keys)
    const config = cipher.open(sealedConfig) ?? (await openHealedConfig(storage, options, cipher))
    // A key that opens but does not fit the config is left over from an "init" that was killed.
    if (config) return { config: parseConfig(config), keys, keyId: id }
  }
  if (fitting > 0) throw configDamaged(storage)
  throw damaged && ids.length === 1 ? damaged : wrongPassword(storage, damaged)
}

async function openHealedConfig(
  storage: Storage,
  options: RepositoryOptions,
  cipher: Cipher,
): Promise<Buffer | undefined> {
  const healed = await healFile(storage, CONFIG_KEY, undefined)
  const config = healed && cipher.open(healed.bytes)
  if (config) options.onFinding?.(readByParity('config'))
  return config
}

// A check needs the config as well, so it cannot help here.
function configDamaged(storage: Storage): AppError {
  return new AppError('damaged', `config is damaged: its seal is broken (${storage.location})`, {
    hint: `Bring back the file "config" of the repository from a copy: nothing can be read without it.${ofPast(storage)}`,
    context: { subject: 'config' },
  })
}

async function tryKey(storage: Storage, options: RepositoryOptions, id: Id): Promise<KeyMaterial | undefined> {
  const subject = `key ${shortId(id)}`
  try {
    return await openKeyFile(await loadKeyFile(storage, id), options.password, subject)
  } catch (error) {
    const healed = isAppError(error, 'damaged') ? await healFile(storage, fileKey('key', id), undefined) : undefined
    if (healed?.sha256 === id) {
      options.onFinding?.(readByParity(subject))
      return await openKeyFile(parseKeyFile(healed.bytes, subject), options.password, subject)
    }
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
