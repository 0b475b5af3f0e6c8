import { join, resolve } from 'node:path'
import type { AdapterContext } from './base/adapter-context.ts'
import { type Clock, systemClock } from './base/clock.ts'
import { AppError } from './base/errors.ts'
import { giveAllBelow } from './base/folder-owner.ts'
import { type Logger, silentLogger } from './base/logger.ts'
import { replaceFile } from './base/new-file.ts'
import { once } from './base/once.ts'
import { ownCommand, ownVersion } from './base/package.ts'
import { makeScratchFolder, privateFolder, type ScratchFolder } from './base/private-folder.ts'
import { type Random, systemRandom } from './base/random.ts'
import type { Secret } from './base/secret.ts'
import type { CommandPlace } from './base/user-command.ts'
import type { Catalog } from './catalog/catalog.ts'
import { CATALOGS } from './catalog/registry.ts'
import { UnfailingCatalog } from './catalog/unfailing.ts'
import type { BroughtBack, Origin } from './config/bring-back.ts'
import { keptConfiguration } from './config/kept.ts'
import { CONFIG_NAME, type Config, findConfigFile, loadConfig } from './config/load.ts'
import { repositoryPlaceOf } from './config/repository-place.ts'
import { PASSWORD_KEYS, type RepositorySettings } from './config/schema.ts'
import { asPasswordReference, type LoadedSecret, loadSecret, type SecretReference } from './config/secrets.ts'
import {
  configWithoutFile,
  PASSWORD_FILE_VARIABLE,
  PASSWORD_VARIABLE,
  unnamedRepository,
  withRepository,
} from './config/unnamed-repository.ts'
import type { Finding } from './model/finding.ts'
import { type Host, thisHost } from './model/host.ts'
import type { Mask } from './model/masking/rules.ts'
import type { NewMachineNeeds, RepositoryPlace } from './model/new-machine.ts'
import { isRepositoryUrl } from './model/repository-url.ts'
import type { Settings } from './model/settings.ts'
import type { Discovery } from './operations/init/discovery.ts'
import { RestoreJournal } from './operations/restore/journal.ts'
import { listOwnOptions, type OwnOption, requireOwn } from './operations/restore/own-options.ts'
import { requireName } from './operations/workspace/names.ts'
import type { Workspace } from './operations/workspace/workspace.ts'
import type { Repository, RepositoryOptions } from './repository/index.ts'
import { SOURCES } from './sources/registry.ts'
import type { LogFormat, MomentPart, Program, Source, SourceDefinition, SourcePlace } from './sources/source.ts'
import { openStorage } from './storage/open-storage.ts'
import { findStorage } from './storage/registry.ts'
import type { Storage } from './storage/storage.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface AppOptions {
  /** Default: `lifeboat.yaml` in `folder` or the nearest folder above it. False: none is read. */
  readonly configFile?: string | false | undefined
  /** What `--repo` names. A URL or an absolute path needs no configuration. */
  readonly repository?: string | undefined
  /** Where the password of a repository that is in no configuration comes from if the environment has none. */
  readonly askPassword?: ((repository: string, isNew: boolean) => Promise<Secret>) | undefined
  /** Believe the configuration, and the files that it names, whoever could have written them. */
  readonly trustConfig?: boolean | undefined
  /** Default: the working directory. */
  readonly folder?: string | undefined
  readonly environment?: Environment | undefined
  readonly logger?: Logger | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly signal?: AbortSignal | undefined
  /** Things worth knowing that stop nothing: a stale lock removed, a password file that others can read. */
  readonly onFinding?: ((finding: Finding) => void) | undefined
  /** The kinds of sources there are; default: those of Lifeboat. */
  readonly kinds?: readonly SourceDefinition[] | undefined
  /** How long to wait for a conflicting lock; default 0. */
  readonly lockWaitMs?: number | undefined
}

/** Reads the configuration; connects to nothing yet. The caller closes what it gets. */
export async function openApp(options: AppOptions = {}): Promise<App> {
  const folder = resolve(options.folder ?? process.cwd())
  const { environment = process.env, trustConfig, signal, repository = '', kinds = SOURCES } = options
  const { configFile = await findConfigFile(folder) } = options
  const file = typeof configFile === 'string' ? resolve(folder, configFile) : undefined
  if (file === undefined && isRepositoryUrl(repository)) return new App(configWithoutFile(folder, environment), options)
  if (file === undefined) {
    throw new AppError('config-not-found', `no ${CONFIG_NAME} in ${folder} or above it`, {
      hint: 'Run "lifeboat init" to make one, name one with --config FILE, or name a repository by its URL: --repo URL.',
      context: { folder },
    })
  }
  const loading = { environment, kinds, trustsAnybody: trustConfig, signal }
  return new App(await loadConfig(file, loading), options)
}

/** A password that is not yet the repository's, from a file or variable that the command line names. */
export async function loadNewPassword(reference: SecretReference, environment: Environment): Promise<Secret> {
  const trust = { anybody: true, config: '' }
  const context = { subject: 'the new password', baseDir: process.cwd(), environment, trust }
  return (await loadSecret(reference, context)).secret
}

/** See `config/bring-back.ts`. */
export async function bringBackConfiguration(kept: string, origin: Origin): Promise<BroughtBack> {
  const { bringBack } = await import('./config/bring-back.ts')
  return bringBack(kept, origin)
}

/** What is worth protecting in a folder: see `operations/init/discovery.ts`. */
export async function discoverSources(
  folder: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<{ readonly discovery: Discovery; readonly examples: readonly string[] }> {
  const { discover } = await import('./operations/init/discovery.ts')
  const discovery = await discover({ folder, environment, kinds: SOURCES, signal })
  return { discovery, examples: SOURCES.map(({ example }) => example) }
}

/** What sources of some kinds alone are told of a restore. */
export const OWN_RESTORE_OPTIONS: readonly OwnOption[] = listOwnOptions(SOURCES)

/** Programs on this machine that sources work with. */
export async function listPrograms(environment: Environment): Promise<readonly Program[]> {
  return (await Promise.all(SOURCES.map(async ({ programs }) => (await programs?.(environment)) ?? []))).flat()
}

/** The composition root: turns the configuration into repositories, sources and the catalog. May live for long. */
export class App implements Workspace {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly host: Host
  readonly catalog: Catalog
  readonly journal: RestoreJournal
  readonly #logger: Logger
  readonly #signal: AbortSignal
  readonly #folder: string
  readonly #askPassword: AppOptions['askPassword']
  readonly #lockWaitMs: number | undefined
  readonly #kinds: readonly SourceDefinition[]
  readonly #onFinding: (finding: Finding) => void
  readonly #repositories = new Map<string, Promise<Repository>>()
  readonly #sources = new Map<string, Promise<Source>>()

  constructor(config: Config, options: AppOptions) {
    this.#folder = resolve(options.folder ?? process.cwd())
    this.#askPassword = options.askPassword
    this.config = withRepository(config, options.repository, this.#folder)
    this.clock = options.clock ?? systemClock
    this.random = options.random ?? systemRandom
    this.host = thisHost(config.host)
    this.#logger = options.logger ?? silentLogger
    this.#signal = options.signal ?? new AbortController().signal
    this.#lockWaitMs = options.lockWaitMs
    this.#kinds = options.kinds ?? SOURCES
    this.#onFinding = options.onFinding ?? (() => {})
    this.journal = new RestoreJournal(config.stateDir, this.clock)
    // Stops no operation: one that can't be used is a finding.
    this.catalog = new UnfailingCatalog(async () => {
      const open = await CATALOGS.sqlite.load()
      return open(await this.stateFolder(), this.#onFinding)
    }, this.#onFinding)
    for (const finding of config.findings) this.#onFinding(finding)
  }

  get settings(): Settings {
    return this.config
  }

  get stateDir(): string {
    return this.config.stateDir
  }

  get programVersion(): string {
    return `lifeboat ${ownVersion()}`
  }

  get commandPlace(): CommandPlace {
    const { baseDir, environment, trust } = this.config
    return { cwd: baseDir, environment, trust }
  }

  /** `--trust-config`: we believed it; who calls us back may run as somebody else, whose it is not. */
  get ownCommand(): readonly string[] {
    const { file } = this.config
    if (file !== undefined) return [...ownCommand(), '--config', file, '--trust-config']
    throw new AppError(
      'unsupported',
      'a server that replays its log calls Lifeboat back, which needs a lifeboat.yaml',
      {
        hint: 'Bring one back with "lifeboat init --from URL", or restore a backup as it is: leave out --at and the like.',
      },
    )
  }

  keptConfiguration(repository: string): string | undefined {
    const { text } = this.config
    return text === undefined ? undefined : keptConfiguration(text, repository)
  }

  repositoryPlace(name: string): RepositoryPlace {
    return repositoryPlaceOf(this.config, this.repositorySettings(name))
  }

  async needsOfNewMachine(repository: string): Promise<NewMachineNeeds> {
    const { needsOfNewMachine } = await import('./config/needs.ts')
    return needsOfNewMachine(this.config, repository, this.repositorySettings(repository))
  }

  tell(finding: Finding): void {
    this.#onFinding(finding)
  }

  // ---- repositories

  /** `usage` for a name that is neither in the configuration nor a URL. */
  repositorySettings(name: string): RepositorySettings {
    const { repositories, environment, file } = this.config
    // A journal may name one by its URL.
    if (isRepositoryUrl(name) && !repositories.has(name)) return unnamedRepository(name, this.#folder, environment)
    return named(repositories, name, 'repository', file)
  }

  /** `no-repository`, `wrong-password`, ... */
  repository(name: string): Promise<Repository> {
    return once(this.#repositories, name, async () => {
      const { openRepository } = await import('./repository/index.ts')
      return await this.#onStorage(name, async storage => openRepository(storage, await this.#repositoryOptions(name)))
    })
  }

  /** Makes a new repository at the configured place. `repository-exists` when there is one. */
  createRepository(name: string): Promise<Repository> {
    return once(this.#repositories, name, async () => {
      const { createRepository } = await import('./repository/index.ts')
      return await this.#onStorage(name, async storage =>
        createRepository(storage, await this.#repositoryOptions(name, true)),
      )
    })
  }

  /** A repository closes its storage; one that did not come to be does not. */
  async #onStorage(name: string, open: (storage: Storage) => Promise<Repository>): Promise<Repository> {
    const storage = await this.openStorage(name)
    try {
      return await open(storage)
    } catch (error) {
      await storage.close().catch(() => undefined)
      throw error
    }
  }

  /** The bare store under a repository. The caller closes it. */
  async openStorage(name: string): Promise<Storage> {
    const { url, storage: options, limits } = this.repositorySettings(name)
    const context = this.#adapterContext(`repository ${name}`)
    return await openStorage(findStorage(url), url, { options, limits, context, signal: this.#signal })
  }

  /** @param subject what the adapter is for, in errors: `repository main` */
  #adapterContext(subject: string): AdapterContext {
    const { baseDir, environment, trust } = this.config
    return {
      baseDir,
      environment,
      loadSecret: async (what, reference) => {
        const place = { subject, what, baseDir, environment, trust, signal: this.#signal }
        const { secret, findings } = await loadSecret(asPasswordReference(reference), place)
        for (const finding of findings) this.#onFinding(finding)
        return secret
      },
      clock: this.clock,
      random: this.random,
      logger: this.#logger,
    }
  }

  async loadPassword(name: string, isNew = false): Promise<LoadedSecret> {
    const settings = this.repositorySettings(name)
    if (PASSWORD_KEYS.every(key => settings[key] === undefined)) {
      return { secret: await this.#askForPassword(name, isNew), findings: [] }
    }
    return loadSecret(settings, {
      subject: `repository ${name}`,
      baseDir: this.config.baseDir,
      environment: this.config.environment,
      trust: this.config.trust,
      signal: this.#signal,
    })
  }

  async #askForPassword(name: string, isNew: boolean): Promise<Secret> {
    if (this.#askPassword !== undefined) return await this.#askPassword(name, isNew)
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
      passwordFile === undefined ? undefined : resolve(this.config.baseDir, passwordFile)
    const file = fileOf(this.repositorySettings(name))
    const users = [...this.config.repositories.values()].filter(settings => fileOf(settings) === file)
    if (file === undefined || users.length > 1) return undefined
    await replaceFile(file, `${password.reveal()}\n`, 0o600)
    return file
  }

  async #repositoryOptions(name: string, isNew = false): Promise<RepositoryOptions> {
    const password = await this.loadPassword(name, isNew)
    for (const finding of password.findings) this.#onFinding(finding)
    return {
      password: password.secret,
      clock: this.clock,
      random: this.random,
      logger: this.#logger,
      cacheDir: join(await this.stateFolder(), 'cache'),
      lockWaitMs: this.#lockWaitMs,
      onFinding: this.#onFinding,
    }
  }

  // ---- sources

  source(name: string): Promise<Source> {
    return once(this.#sources, name, async () => {
      const { kind, options } = named(this.config.sources, name, 'source', this.config.file)
      const make = await this.#definition(kind).load()
      return make(name, options, this.#sourcePlace())
    })
  }

  async sourceAt(name: string, kind: string, place: string): Promise<Source> {
    const definition = this.#definition(kind)
    const make = await definition.load()
    const own = this.config.sources.get(name)
    const options = definition.optionsAt(place, own?.kind === kind ? own.options : undefined)
    return make(name, options, this.#sourcePlace())
  }

  ownPlace(name: string): string | undefined {
    const own = this.config.sources.get(name)
    return own && this.#definition(own.kind).ownPlace(own.options, this.#sourcePlace())
  }

  async isOwnPlace(name: string, place: string): Promise<boolean> {
    const own = this.config.sources.get(name)
    if (own === undefined) return false
    return await this.#definition(own.kind).isOwnPlace(place, own.options, this.#sourcePlace())
  }

  byRestic(name: string): string {
    const { kind } = named(this.config.sources, name, 'source', this.config.file)
    return this.#definition(kind).byRestic
  }

  hasLog(name: string): boolean {
    const own = this.config.sources.get(name)
    return own !== undefined && this.#definition(own.kind).hasLog
  }

  requireOwnOptions(kind: string, own: Readonly<Record<string, unknown>>): void {
    requireOwn(this.#definition(kind), own, { isMoment: false, kinds: this.#kinds })
  }

  reachesEnd(source: string, own: Readonly<Record<string, unknown>>): boolean {
    const kind = this.config.sources.get(source)?.kind
    return kind !== undefined && this.#definition(kind).reachesEnd?.(own) === true
  }

  /** What options of a restore tell of a moment in the log of a source. `usage` where it has none, or not so. */
  momentPartOf(source: string, told: Readonly<Record<string, unknown>>): MomentPart {
    const { kind } = named(this.config.sources, source, 'source', this.config.file)
    const definition = this.#definition(kind)
    requireOwn(definition, told, { isMoment: true, kinds: this.#kinds })
    return definition.moment?.partOf(told) ?? { targets: [], branch: undefined, inclusive: undefined }
  }

  get foreignKind(): string {
    const found = this.#kinds.find(({ takesForeign }) => takesForeign)
    if (found === undefined) throw new Error('no kind of source takes snapshots of other programs')
    return found.kind
  }

  async logFormat(kind: string): Promise<LogFormat | undefined> {
    return await this.#kinds.find(each => each.kind === kind)?.logFormat?.()
  }

  async loadMask(file: string): Promise<Mask> {
    const { loadMask } = await import('./config/mask.ts')
    const { baseDir, environment, trust } = this.config
    return await loadMask(resolve(baseDir, file), { environment, trust })
  }

  #definition(kind: string): SourceDefinition {
    const definition = this.#kinds.find(each => each.kind === kind)
    if (definition) return definition
    throw new AppError('unsupported', `this version does not know sources of kind ${kind}`, {
      hint: `It knows: ${this.#kinds.map(source => source.kind).join(', ')}.`,
    })
  }

  #sourcePlace(): SourcePlace {
    const { baseDir, environment, trust } = this.config
    return { baseDir, trust, environment }
  }

  get ownFolders(): readonly string[] {
    return [this.config.stateDir, ...this.repositoryFolders().map(({ path }) => path)]
  }

  /** Repositories in folders of this machine. Told by the configuration; opens nothing. */
  repositoryFolders(): Array<{ readonly name: string; readonly path: string }> {
    return [...this.config.repositories].flatMap(([name, { url }]) => {
      const path = findStorage(url).folderOf(url, this.config.baseDir)
      return path === undefined ? [] : [{ name, path }]
    })
  }

  // ---- state

  async stateFolder(name = ''): Promise<string> {
    const folder = await privateFolder(this.config.stateDir)
    return name === '' ? folder : await privateFolder(join(folder, name))
  }

  async scratchFolder(): Promise<ScratchFolder> {
    return await makeScratchFolder(join(await this.stateFolder(), 'tmp'))
  }

  /** Closes everything that was opened. The first failure is thrown after all were tried. */
  async close(): Promise<void> {
    const opened = [...this.#sources.values(), ...this.#repositories.values()]
    this.#sources.clear()
    this.#repositories.clear()
    let failure: { error: unknown } | undefined
    for (const each of [...opened, this.catalog]) {
      // One that could not be opened has nothing to be closed.
      const found = await Promise.resolve(each).catch(() => undefined)
      await found?.close().catch((error: unknown) => {
        failure ??= { error }
      })
    }
    // As root in another user's folder: what was made there must not lock that user out.
    await giveAllBelow(this.config.stateDir)
    if (failure) throw failure.error
  }
}

function named<T>(map: ReadonlyMap<string, T>, name: string, what: 'source' | 'repository', file: Config['file']): T {
  requireName([...map.keys()], name, what, file)
  return map.get(name) as T
}
