import { join, resolve } from 'node:path'
import type { LineLimit } from '../base/bandwidth.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { AppError } from '../base/errors.ts'
import { giveAllBelow } from '../base/folder-owner.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import { once } from '../base/once.ts'
import { ownCommand, ownVersion } from '../base/package.ts'
import { makeScratchFolder, privateFolder, type ScratchFolder } from '../base/private-folder.ts'
import { type Random, systemRandom } from '../base/random.ts'
import type { Secret } from '../base/secret.ts'
import type { CommandPlace } from '../base/user-command.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { CATALOGS } from '../catalog/registry.ts'
import { UnfailingCatalog } from '../catalog/unfailing.ts'
import type { BroughtBack, Origin } from '../config/bring-back.ts'
import { keptConfiguration } from '../config/kept.ts'
import { CONFIG_NAME, type Config, findConfigFile, loadConfig } from '../config/load.ts'
import { repositoryPlaceOf } from '../config/repository-place.ts'
import { loadSecret, type SecretReference } from '../config/secrets.ts'
import { configWithoutFile, withRepository } from '../config/unnamed-repository.ts'
import type { Finding } from '../model/finding.ts'
import { type Host, thisHost } from '../model/host.ts'
import type { Mask } from '../model/masking/rules.ts'
import type { NewMachineNeeds, RepositoryPlace } from '../model/new-machine.ts'
import { isRepositoryUrl } from '../model/repository-url.ts'
import type { Settings } from '../model/settings.ts'
import type { StorageAccess } from '../model/storage-access.ts'
import type { StorageCalls } from '../model/storage-calls.ts'
import type { Notifier } from '../notifiers/notifier.ts'
import { NOTIFIERS } from '../notifiers/registry.ts'
import { RestoreJournal } from '../operations/restore/journal.ts'
import { requireOwn } from '../operations/restore/own-options.ts'
import type { Workspace } from '../operations/workspace/workspace.ts'
import type { Repository } from '../repository/index.ts'
import { SOURCES } from '../sources/registry.ts'
import type { LogFormat, MomentPart, Source, SourceDefinition, SourcePlace } from '../sources/source.ts'
import type { Storage } from '../storage/storage.ts'
import { adapterContextOf } from './adapter-context.ts'
import { asOfWhich } from './as-of.ts'
import { named } from './named.ts'
import { Repositories, type Surroundings } from './repositories.ts'

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
  /** Open `repository`, or the only one there is, as it was at this time: read-only, from the old versions in its bucket. */
  readonly asOf?: Date | undefined
  /** Keep on this machine what is needed again of repositories, below the state folder; default true. */
  readonly cache?: boolean | undefined
  /** How fast to take from and give to each repository, whatever the configuration says. */
  readonly limit?: LineLimit | undefined
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
  const { bringBack } = await import('../config/bring-back.ts')
  return bringBack(kept, origin)
}

/** The composition root: turns the configuration into repositories, sources and the catalog. May live for long. */
export class App implements Workspace {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly host: Host
  readonly catalog: Catalog
  readonly journal: RestoreJournal
  readonly #kinds: readonly SourceDefinition[]
  readonly #onFinding: (finding: Finding) => void
  readonly #around: Surroundings
  readonly #repositories: Repositories
  readonly #sources = new Map<string, Promise<Source>>()

  constructor(config: Config, options: AppOptions) {
    const folder = resolve(options.folder ?? process.cwd())
    this.config = withRepository(config, options.repository, folder)
    this.clock = options.clock ?? systemClock
    this.random = options.random ?? systemRandom
    this.host = thisHost(config.host)
    this.#kinds = options.kinds ?? SOURCES
    this.#onFinding = options.onFinding ?? (() => {})
    this.#around = {
      folder,
      clock: this.clock,
      random: this.random,
      logger: options.logger ?? silentLogger,
      signal: options.signal ?? new AbortController().signal,
      lockWaitMs: options.lockWaitMs,
      cache: options.cache ?? true,
      limit: options.limit,
      askPassword: options.askPassword,
      onFinding: this.#onFinding,
      stateFolder: () => this.stateFolder(),
      asOf: options.asOf && asOfWhich(this.config, options.repository, options.asOf),
    }
    this.#repositories = new Repositories(this.config, this.#around)
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

  async needsOfNewMachine(repository: string): Promise<NewMachineNeeds> {
    const { needsOfNewMachine } = await import('../config/needs.ts')
    return needsOfNewMachine(this.config, repository, this.#repositories.settings(repository))
  }

  tell(finding: Finding): void {
    this.#onFinding(finding)
  }

  // ---- repositories

  repositoryPlace(name: string): RepositoryPlace {
    return repositoryPlaceOf(this.config, this.#repositories.settings(name))
  }

  repository(name: string): Promise<Repository> {
    return this.#repositories.open(name)
  }

  silenceMs(name: string): number {
    return this.#repositories.silenceMs(name)
  }

  abandonRepository(name: string): void {
    this.#repositories.abandon(name)
  }

  createRepository(name: string): Promise<Repository> {
    return this.#repositories.create(name)
  }

  openStorage(name: string, triesOnce?: boolean): Promise<Storage> {
    return this.#repositories.openStorage(name, triesOnce)
  }

  storageAccess(name: string): StorageAccess {
    return this.#repositories.access(name)
  }

  takeCalls(name: string): StorageCalls {
    return this.#repositories.takeCalls(name)
  }

  replacePasswordFile(name: string, password: Secret): Promise<string | undefined> {
    return this.#repositories.replacePasswordFile(name, password)
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
    const { loadMask } = await import('../config/mask.ts')
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
    return [this.config.stateDir, ...this.#repositories.folders().map(({ path }) => path)]
  }

  // ---- notifiers

  /** Undefined for one that is not configured. The caller closes it. */
  async openNotifier(name: string): Promise<Notifier | undefined> {
    const settings = this.config.notifiers.get(name)
    const definition = NOTIFIERS.find(({ kind }) => kind === settings?.kind)
    if (settings === undefined || definition === undefined) return undefined
    const open = await definition.load()
    const context = adapterContextOf(this.config, this.#around, `notifier ${name}`)
    return await open(settings.options, { ...context, commandPlace: this.commandPlace })
  }

  /** Tells the dead man's switch, if there is one, that we are alive, and whether all is well. `notify-failed`. */
  async ping(isWell: boolean, signal: AbortSignal): Promise<void> {
    const { ping } = this.config
    if (ping === undefined) return
    const { sendPing } = await import('../notifiers/ping.ts')
    await sendPing(ping.url, isWell, adapterContextOf(this.config, this.#around, 'ping'), signal)
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
    const opened = [...this.#sources.values(), ...this.#repositories.takeOpened()]
    this.#sources.clear()
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
