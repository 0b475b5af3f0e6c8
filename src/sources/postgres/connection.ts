import { resolve } from 'node:path'
import { TRUST_OURS } from '../../base/believed-file.ts'
import { AppError, isAppError, messageOf } from '../../base/errors.ts'
import { readSecretFile } from '../../base/secret-file.ts'
import { type ConnectionSettings, databaseInUrl, hostInUrl, resolveConnection } from '../../clients/postgres/index.ts'
import type { SourcePlace } from '../source.ts'
import type { ConnectionOptions } from './options.ts'

/** The server that a source's options name. Throws `source-invalid` for options that can't be meant. */
export async function connectionOf(options: ConnectionOptions, place: SourcePlace): Promise<ConnectionSettings> {
  const password = options.password ?? (await loadPassword(options, place))
  return resolveConnection({ ...options, password })
}

/**
 * The server that a restore's URL names. Without a host (`postgres:///shop_test`) it is the source's own; with the
 * source's host and user, and no password, the source's password serves: it need not stand on a command line.
 */
export async function targetConnection(
  url: string,
  options: ConnectionOptions,
  place: SourcePlace,
): Promise<ConnectionSettings> {
  const named = resolveConnection({ url })
  if (hostInUrl(url) === undefined) {
    const own = await connectionOf(options, place)
    return { ...own, database: databaseInUrl(url) ?? own.database }
  }
  if (named.password !== undefined || !isConfigured(options)) return named
  const own = await connectionOf(options, place)
  const same = own.host === named.host && own.port === named.port && own.user === named.user
  return same ? { ...named, password: own.password } : named
}

/** Not a source that stands in no configuration, made for a restore only. */
function isConfigured(options: ConnectionOptions): boolean {
  return options.url !== undefined || options.host !== undefined
}

async function loadPassword(options: ConnectionOptions, place: SourcePlace): Promise<string | undefined> {
  if (options.passwordEnv !== undefined) {
    const value = (place.environment ?? process.env)[options.passwordEnv]
    if (value) return value
    throw new AppError('source-invalid', `environment variable ${options.passwordEnv}, the password, is not set`, {
      hint: `Set ${options.passwordEnv}, then try again.`,
    })
  }
  if (options.passwordFile === undefined) return undefined
  const file = resolve(place.baseDir, options.passwordFile)
  try {
    const { secret } = await readSecretFile(file, { what: 'the password file', trust: place.trust ?? TRUST_OURS })
    return secret.reveal()
  } catch (error) {
    if (isAppError(error)) throw error
    throw new AppError('source-invalid', `cannot read password file ${file}: ${messageOf(error)}`, {
      hint: 'Check passwordFile, and that you may read it.',
      cause: error,
    })
  }
}
