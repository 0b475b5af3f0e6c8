import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AppError, messageOf } from '../../base/errors.ts'
import { type ConnectionSettings, resolveConnection } from '../../clients/postgres/index.ts'
import type { SourcePlace } from '../source.ts'
import type { PostgresOptions } from './options.ts'

/** The server that a source's options name. Throws `source-invalid` for options that can't be meant. */
export async function connectionOf(options: PostgresOptions, place: SourcePlace): Promise<ConnectionSettings> {
  const password = options.password ?? (await loadPassword(options, place))
  return resolveConnection({ ...options, password })
}

async function loadPassword(options: PostgresOptions, place: SourcePlace): Promise<string | undefined> {
  if (options.passwordEnv !== undefined) {
    const value = process.env[options.passwordEnv]
    if (value) return value
    throw new AppError('source-invalid', `environment variable ${options.passwordEnv}, the password, is not set`, {
      hint: `Set ${options.passwordEnv}, then try again.`,
    })
  }
  if (options.passwordFile === undefined) return undefined
  const file = resolve(place.baseDir, options.passwordFile)
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw new AppError('source-invalid', `cannot read password file ${file}: ${messageOf(error)}`, {
      hint: 'Check passwordFile, and that you may read it.',
      cause: error,
    })
  }
}
