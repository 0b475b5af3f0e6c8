import { join, resolve } from 'node:path'
import { type Bandwidth, bandwidthOf, type LineLimit } from '../base/bandwidth.ts'
import { AppError } from '../base/errors.ts'
import { replaceFile } from '../base/new-file.ts'
import { once } from '../base/once.ts'
import type { Secret } from '../base/secret.ts'
import type { Config } from '../config/load.ts'
import { PASSWORD_KEYS, type RepositorySettings } from '../config/schema.ts'
import { type LoadedSecret, loadSecret } from '../config/secrets.ts'
import { PASSWORD_FILE_VARIABLE, PASSWORD_VARIABLE, unnamedRepository } from '../config/unnamed-repository.ts'
import { isRepositoryUrl } from '../model/repository-url.ts'
import type { StorageAccess } from '../model/storage-access.ts'
import { NO_CALLS, type StorageCalls } from '../model/storage-calls.ts'
import type { Repository, RepositoryOptions } from '../repository/index.ts'
import { AsOfStorage } from '../storage/as-of-storage.ts'
import type { OnCall } from '../storage/limited-storage.ts'
import { openStorage } from '../storage/open-storage.ts'
import { findStorage } from '../storage/registry.ts'
import { StorageHealth } from '../storage/retrying-storage.ts'
import type { Storage } from '../storage/storage.ts'
import { type AdapterSurroundings, adapterContextOf } from './adapter-context.ts'
import { type AsOf, foundAsOf } from './as-of.ts'
import { named } from './named.ts'

export type AskPassword = (repository: string, isNew: boolean) => Promise<Secret>

export interface Surroundings extends AdapterSurroundings {
  /** What paths of `--repo` are relative to. */
  readonly folder: string
  readonly lockWaitMs: number | undefined
  readonly cache: boolean
  readonly limit: LineLimit | undefined
  readonly askPassword: AskPassword | undefined
  readonly stateFolder: () => Promise<string>
  /** The repository that is opened as it was, and when. */
  readonly asOf: AsOf | undefined
}

/** What leads to one repository. */
interface Line {
  readonly health: StorageHealth
  /** Ends all calls. */
  readonly cut: AbortController
}

/** The repositories of a configuration: where they are, what opens them, and those that are open. */
export class Repositories {
  readonly #config: Config
  readonly #around: Surroundings
  readonly #opened = new Map<string, Promise<Repository>>()
  readonly #lines = new Map<string, Line>()
  readonly #abandoned: Promise<Repository>[] = []
  readonly #bandwidths = new Map<string, Bandwidth>()
  readonly #calls = new Map<string, StorageCalls>()

  constructor(config: Config, around: Surroundings) {
    this.#config = config
    this.#around = around
  }

  /** All that were opened; whoever takes them closes them. */
  takeOpened(): ReadonlyArray<Promise<Repository>> {
    const opened = [...this.#opened.values(), ...this.#abandoned]
    this.#opened.clear()
    return opened
  }

  /** How long the storage of a repository that was opened, or is being opened, has answered nothing; 0: it answers. */
  silenceMs(name: string): number {
    return this.#lines.get(name)?.health.failingMs(this.#around.clock.monotonicMs()) ?? 0
  }

  /** Whatever uses it, or waits for it, fails now. Who asks for it again opens it anew. */
  abandon(name: string): void {
    this.#lines.get(name)?.cut.abort()
    this.#lines.delete(name)
    const opened = this.#opened.get(name)
    if (opened === undefined) return
    this.#opened.delete(name)
    this.#abandoned.push(opened)
  }

  /** Those in folders of this machine. Told by the configuration; opens nothing. */
  folders(): Array<{ readonly name: string; readonly path: string }> {
    return [...this.#config.repositories].flatMap(([name, { url }]) => {
      const path = findStorage(url).folderOf(url, this.#config.baseDir)
      return path === undefined ? [] : [{ name, path }]
    })
  }

  /** `usage` for a name that is neither in the configuration nor a URL. */
  settings(name: string): RepositorySettings {
    const { repositories, environment, file } = this.#config
    // A journal may name one by its URL.
    if (isRepositoryUrl(name) && !repositories.has(name))
      return unnamedRepository(name, this.#around.folder, environment)
    return named(repositories, name, 'repository', file)
  }

  /** `no-repository`, `wrong-password`, ... */
  open(name: string): Promise<Repository> {
    return once(this.#opened, name, async () => {
      const { openRepository } = await import('../repository/index.ts')
      if (this.#around.asOf?.repository === name) return await this.#openAsOf(name, this.#around.asOf.time)
      return await this.#onStorage(name, async storage => openRepository(storage, await this.#repositoryOptions(name)))
    })
  }

  async #openAsOf(name: string, time: Date): Promise<Repository> {
    const { openRepository } = await import('../repository/index.ts')
    const options = await this.#repositoryOptions(name)
    return await this.#onStorage(name, async storage => {
      const then = await AsOfStorage.open(storage, time, { signal: this.#around.signal })
      this.#around.onFinding(foundAsOf(name, then.moment))
      // What is cached of then would push out what is cached of now.
      return await openRepository(then, { ...options, cacheDir: join(options.cacheDir ?? '', 'as-of') })
    })
  }

  /** Makes a new repository at the configured place. `repository-exists` when there is one. */
  create(name: string): Promise<Repository> {
    return once(this.#opened, name, async () => {
      const { createRepository } = await import('../repository/index.ts')
      return await this.#onStorage(name, async storage =>
        createRepository(storage, await this.#repositoryOptions(name, true)),
      )
    })
  }

  /** A repository closes its storage; one that did not come to be does not. */
  async #onStorage(name: string, open: (storage: Storage) => Promise<Repository>): Promise<Repository> {
    const line = { health: new StorageHealth(), cut: new AbortController() }
    this.#lines.set(name, line)
    const storage = await this.#openStorage(name, line)
    line.cut.signal.addEventListener('abort', () => void storage.close().catch(() => undefined), { once: true })
    try {
      return await open(storage)
    } catch (error) {
      await storage.close().catch(() => undefined)
      throw error
    }
  }

  /** The bare store under a repository. The caller closes it. */
  openStorage(name: string, triesOnce = false): Promise<Storage> {
    return this.#openStorage(name, undefined, triesOnce)
  }

  async #openStorage(name: string, line?: Line, triesOnce = false): Promise<Storage> {
    const { url, storage: options } = this.settings(name)
    const context = {
      ...adapterContextOf(this.#config, this.#around, `repository ${name}`),
      bandwidth: this.#bandwidthTo(name),
    }
    const onCall: OnCall = (call, count) => {
      const known = this.#calls.get(name) ?? NO_CALLS
      this.#calls.set(name, { ...known, [call]: known[call] + count })
    }
    const { signal } = this.#around
    const { health } = line ?? {}
    return await openStorage(findStorage(url), url, { options, context, onCall, triesOnce, signal, health })
  }

  /** Calls to the storage of a repository since this was last asked. */
  takeCalls(name: string): StorageCalls {
    const calls = this.#calls.get(name) ?? NO_CALLS
    this.#calls.delete(name)
    return calls
  }

  /** One for all that is opened of a repository. The limits of whoever started the program go before those of the configuration. */
  #bandwidthTo(name: string): Bandwidth | undefined {
    const known = this.#bandwidths.get(name)
    if (known !== undefined) return known
    const { limit = [] } = this.settings(name)
    const made = bandwidthOf([this.#around.limit ?? {}, ...limit], this.#around.clock)
    if (made !== undefined) this.#bandwidths.set(name, made)
    return made
  }

  /** Opens nothing. */
  access(name: string): StorageAccess {
    const { url, storage } = this.settings(name)
    return findStorage(url).access(url, storage)
  }

  async loadPassword(name: string, isNew = false): Promise<LoadedSecret> {
    const settings = this.settings(name)
    if (PASSWORD_KEYS.every(key => settings[key] === undefined)) {
      return { secret: await this.#askForPassword(name, isNew), findings: [] }
    }
    return loadSecret(settings, {
      subject: `repository ${name}`,
      baseDir: this.#config.baseDir,
      environment: this.#config.environment,
      trust: this.#config.trust,
      signal: this.#around.signal,
    })
  }

  async #askForPassword(name: string, isNew: boolean): Promise<Secret> {
    if (this.#around.askPassword !== undefined) return await this.#around.askPassword(name, isNew)
    throw new AppError('config-invalid', `no password for the repository ${name}`, {
      hint: `Set ${PASSWORD_FILE_VARIABLE} to a file that holds it, or ${PASSWORD_VARIABLE} to the password itself.`,
    })
  }

  /**
   * Puts a new password into the repository's password file, whole and durable. Gives the file; undefined, and nothing
   * done, when there is none or when other repositories use it too.
   */
  async replacePasswordFile(name: string, password: Secret): Promise<string | undefined> {
    const fileOf = ({ passwordFile }: RepositorySettings): string | undefined =>
      passwordFile === undefined ? undefined : resolve(this.#config.baseDir, passwordFile)
    const file = fileOf(this.settings(name))
    const users = [...this.#config.repositories.values()].filter(settings => fileOf(settings) === file)
    if (file === undefined || users.length > 1) return undefined
    await replaceFile(file, `${password.reveal()}\n`, 0o600)
    return file
  }

  async #repositoryOptions(name: string, isNew = false): Promise<RepositoryOptions> {
    const password = await this.loadPassword(name, isNew)
    for (const finding of password.findings) this.#around.onFinding(finding)
    return {
      password: password.secret,
      clock: this.#around.clock,
      random: this.#around.random,
      logger: this.#around.logger,
      cacheDir: this.#around.cache ? join(await this.#around.stateFolder(), 'cache') : undefined,
      lockWaitMs: this.#around.lockWaitMs,
      parity: this.settings(name).parity,
      onFinding: this.#around.onFinding,
    }
  }
}
