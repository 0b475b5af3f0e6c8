import { basename, resolve } from 'node:path'
import { typedPath } from '../base/typed-path.ts'
import type { PasswordPlace, RepositoryPlace } from '../model/new-machine.ts'
import { findStorage } from '../storage/registry.ts'
import type { Config } from './load.ts'
import type { RepositorySettings } from './schema.ts'

export function repositoryPlaceOf(config: Config, settings: RepositorySettings): RepositoryPlace {
  const folder = findStorage(settings.url).folderOf(settings.url, config.baseDir)
  return { folder, password: passwordPlaceOf(settings, config) }
}

function passwordPlaceOf(settings: RepositorySettings, { baseDir, environment }: Config): PasswordPlace | undefined {
  const { passwordFile, passwordEnv, passwordCommand, password } = settings
  if (passwordFile !== undefined) return { kind: 'file', path: resolve(baseDir, typedPath(passwordFile, environment)) }
  if (passwordEnv !== undefined) return { kind: 'variable', name: passwordEnv }
  if (passwordCommand !== undefined) return { kind: 'command', program: basename(passwordCommand[0] ?? '') }
  return password === undefined ? undefined : { kind: 'configuration' }
}
