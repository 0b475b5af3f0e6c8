import { resolve } from 'node:path'
import { AppError } from '../base/errors.ts'
import { typedPath } from '../base/typed-path.ts'
import type { NeededVariable, NewMachineNeeds } from '../model/new-machine.ts'
import { urlWithoutPassword } from '../model/repository-url.ts'
import type { StorageCredential } from '../model/storage-access.ts'
import { findStorage } from '../storage/registry.ts'
import { bringBack } from './bring-back.ts'
import { writtenDocument } from './document.ts'
import { keptConfiguration } from './kept.ts'
import type { Config } from './load.ts'
import { repositoryPlaceOf } from './repository-place.ts'
import type { RepositorySettings } from './schema.ts'
import { PASSWORD_VARIABLE } from './unnamed-repository.ts'

/** Found by doing what `init --from` does there, with what a backup keeps: they cannot come to differ. */
export function needsOfNewMachine(config: Config, name: string, settings: RepositorySettings): NewMachineNeeds {
  const { text, baseDir, environment } = config
  if (text === undefined) {
    throw new AppError('config-not-found', 'there is no configuration that a new machine could take up', {
      hint: 'Make one with "lifeboat init", or bring one back with "lifeboat init --from URL".',
    })
  }
  const { folder, password } = repositoryPlaceOf(config, settings)
  const url = folder ?? urlWithoutPassword(settings.url)
  const back = bringBack(keptConfiguration(text, name), { url, password: { passwordEnv: PASSWORD_VARIABLE } })
  const uses = listUses(writtenDocument(back.text), [])
  const ownKey = `repositories.${name}.passwordFile`
  return {
    url,
    isFolder: folder !== undefined,
    password: password ?? { kind: 'configuration' },
    passwordVariable: PASSWORD_VARIABLE,
    credentials: credentialsOf(settings.url),
    variables: back.variables
      .filter(variable => variable !== PASSWORD_VARIABLE)
      .map(variable => variableOf(variable, uses, config)),
    files: back.files
      .filter(({ key }) => key !== ownKey)
      .map(({ key, path }) => ({ key, path: resolve(baseDir, typedPath(path, environment)) })),
    leftOut: back.leftOut.map(({ key }) => key),
  }
}

/** Of a URL alone, which is all that `init --from` knows of a storage. */
function credentialsOf(url: string): readonly StorageCredential[] {
  const storage = findStorage(url)
  return storage.access(url, storage.options.parse({})).credentials
}

function variableOf(name: string, uses: readonly Use[], { fromEnvFile }: Config): NeededVariable {
  const keys = uses.filter(({ names }) => names.includes(name)).map(({ key }) => key)
  return { name, keys, inClear: name.startsWith('REMOVED_'), inEnvFile: fromEnvFile.includes(name) }
}

interface Use {
  readonly key: string
  readonly names: readonly string[]
}

function listUses(value: unknown, path: readonly string[]): Use[] {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, each]) => listUses(each, [...path, key]))
  }
  if (typeof value !== 'string') return []
  const references = [...value.matchAll(/(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)/g)].map(([, name = '']) => name)
  return [{ key: path.join('.'), names: path.at(-1) === 'passwordEnv' ? [...references, value] : references }]
}
