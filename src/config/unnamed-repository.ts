import { resolve } from 'node:path'
import { TRUST_OURS } from '../base/believed-file.ts'
import { AppError } from '../base/errors.ts'
import { typedPath } from '../base/typed-path.ts'
import { isRepositoryUrl } from '../model/repository-url.ts'
import { findStorage, STORAGES } from '../storage/registry.ts'
import type { Config } from './load.ts'
import type { RepositorySettings } from './schema.ts'

type Environment = Readonly<Record<string, string | undefined>>

export const PASSWORD_VARIABLE = 'LIFEBOAT_PASSWORD'
export const PASSWORD_FILE_VARIABLE = 'LIFEBOAT_PASSWORD_FILE'

/**
 * Settings of a repository that is in no configuration. Its password is in the environment; without any password key in
 * what this gives, it is to be asked for.
 */
export function unnamedRepository(url: string, folder: string, environment: Environment): RepositorySettings {
  const { [PASSWORD_VARIABLE]: password = '', [PASSWORD_FILE_VARIABLE]: file = '' } = environment
  if (password !== '' && file !== '') {
    throw new AppError('usage', `both ${PASSWORD_VARIABLE} and ${PASSWORD_FILE_VARIABLE} are set`, {
      hint: `Unset one of them: unset ${PASSWORD_VARIABLE}`,
    })
  }
  return {
    url,
    storage: findStorage(url).options.parse({}),
    ...(password === '' ? {} : { passwordEnv: PASSWORD_VARIABLE }),
    ...(file === '' ? {} : { passwordFile: resolve(folder, typedPath(file, environment)) }),
  }
}

/** With the repository that a URL names: as a configured one at the same place is opened, if there is one. */
export function withRepository(config: Config, url: string | undefined, folder: string): Config {
  if (url === undefined || !isRepositoryUrl(url)) return config
  requireNoName(config, url)
  const place = findStorage(url).folderOf(url, folder) ?? url
  const same = [...config.repositories.values()].find(
    each => (findStorage(each.url).folderOf(each.url, config.baseDir) ?? each.url) === place,
  )
  const settings = same ?? unnamedRepository(url, folder, config.environment)
  return { ...config, repositories: new Map([...config.repositories, [url, settings]]) }
}

/** `main:lates` begins like a URL, and is a configured name with something behind it that reads as no recovery point. */
function requireNoName({ repositories }: Config, url: string): void {
  const [, name = ''] = /^([^:]+):/.exec(url) ?? []
  if (!repositories.has(name) || STORAGES.some(storage => storage.matches(url))) return
  throw new AppError('usage', `repository ${name} is followed by what is no recovery point: ${url}`, {
    hint: `Write "--from ${name}:POINT" with latest, an id, or a time like "2026-09-04 02:00" or "3h ago"; or the name alone.`,
  })
}

/** What counts where there is no `lifeboat.yaml`. Our own state is this user's then. */
export function configWithoutFile(folder: string, environment: Environment): Config {
  return {
    file: undefined,
    text: undefined,
    baseDir: folder,
    stateDir: userStateFolder(environment),
    repositories: new Map(),
    sources: new Map(),
    policies: new Map(),
    maintenance: {},
    notifiers: new Map(),
    ping: undefined,
    findings: [],
    trust: TRUST_OURS,
    host: undefined,
    environment,
    fromEnvFile: [],
  }
}

/** @see https://specifications.freedesktop.org/basedir-spec/latest/ a relative one is to be ignored */
function userStateFolder(environment: Environment): string {
  const { XDG_STATE_HOME: state = '' } = environment
  return resolve(state.startsWith('/') ? state : typedPath('~/.local/state', environment), 'lifeboat')
}
