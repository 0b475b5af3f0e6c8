import type { Clock } from '../../base/clock.ts'
import type { ScratchFolder } from '../../base/private-folder.ts'
import type { Random } from '../../base/random.ts'
import type { Secret } from '../../base/secret.ts'
import type { CommandPlace } from '../../base/user-command.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Finding } from '../../model/finding.ts'
import type { Host } from '../../model/host.ts'
import type { Mask } from '../../model/masking/rules.ts'
import type { NewMachineNeeds, RepositoryPlace } from '../../model/new-machine.ts'
import type { Settings } from '../../model/settings.ts'
import type { StorageAccess } from '../../model/storage-access.ts'
import type { StorageCalls } from '../../model/storage-calls.ts'
import type { Repository } from '../../repository/index.ts'
import type { LogFormat, Source } from '../../sources/source.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RestoreJournal } from '../restore/journal.ts'

/**
 * What every operation is given of the installation that it works in. The composition root implements it from the
 * configuration; it lives as long as the process wants, and many runs use it at once. They share nothing but repositories,
 * the catalog and the journal.
 */
export interface Workspace {
  readonly settings: Settings
  readonly catalog: Catalog
  /** Of what was restored from here. */
  readonly journal: RestoreJournal
  /** Of our own state. Absolute; may not exist yet, see `stateFolder`. */
  readonly stateDir: string
  /** What no backup may contain, and nothing may be restored into: our own state, repositories in folders. Absolute. */
  readonly ownFolders: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly host: Host
  /** For records: `lifeboat 1.0.0`. */
  readonly programVersion: string
  /** The configuration without its secrets, as a backup keeps it in this repository. Undefined where there is none. */
  keptConfiguration(repository: string): string | undefined
  /** What a new machine needs to take up the configuration from this repository. Opens nothing. */
  needsOfNewMachine(repository: string): Promise<NewMachineNeeds>
  /** Where hooks and commands of assertions run, and what they see. */
  readonly commandPlace: CommandPlace

  /** Of the configuration; opened once, closed with the workspace. `usage` for another name, `wrong-password`, ... */
  repository(name: string): Promise<Repository>
  /** How long the storage of a repository that is open, or being opened, has answered nothing but failures; 0: it answers. */
  silenceMs(name: string): number
  /** Ends all calls to a repository that does not answer, of whoever uses it. Who asks for it again opens it anew. */
  abandonRepository(name: string): void
  /** Made at its configured place, then as `repository` gives it. `repository-exists`, ... */
  createRepository(name: string): Promise<Repository>
  /**
   * The byte store under a repository, which need not be one yet. The caller closes it.
   * @param triesOnce what fails is not tried again
   */
  openStorage(name: string, triesOnce?: boolean): Promise<Storage>
  /** What it takes to be let in there. Opens nothing. */
  storageAccess(name: string): StorageAccess
  /** Calls to the service under a repository since this was last asked; of a disk none. */
  takeCalls(name: string): StorageCalls
  /** Told by the configuration: opens nothing. `usage` for a name that is neither in it nor a URL. */
  repositoryPlace(name: string): RepositoryPlace
  /**
   * Puts a new password into the repository's password file, whole and durable. Gives the file; undefined, and nothing
   * done, when there is none or when other repositories use it too.
   */
  replacePasswordFile(repository: string, password: Secret): Promise<string | undefined>
  /** Of the configuration; opened once, closed with the workspace. `usage` for another name. */
  source(name: string): Promise<Source>
  /**
   * A source of what is at `place`, a restore's target, with the connection of the configured one of that name if it is of
   * that kind. The caller closes it.
   */
  sourceAt(name: string, kind: string, place: string): Promise<Source>
  /** Where the data of a configured source is, as a restore's target. Undefined where only its server knows. */
  ownPlace(source: string): string | undefined
  /** Is what is at `place` the data of this configured source? False for a name that is in no configuration. */
  isOwnPlace(source: string, place: string): Promise<boolean>
  /** What restic alone brings back of a configured source, in words. */
  byRestic(source: string): string
  /** Can the moments between its backups be recovered, from its log? False for a name that is in no configuration. */
  hasLog(source: string): boolean
  /** How the logs of a kind are written. Undefined for a kind without one, and for one that nobody knows here. */
  logFormat(kind: string): Promise<LogFormat | undefined>
  /** Throws `usage` for options of a restore that sources of this kind do not have, or not so. */
  requireOwnOptions(kind: string, own: Readonly<Record<string, unknown>>): void
  /** Told so, does a copy of this source reach a moment after which nothing follows in its log? */
  reachesEnd(source: string, own: Readonly<Record<string, unknown>>): boolean
  /** The kind of source that a snapshot of another program, such as restic, is restored as. */
  readonly foreignKind: string
  /** A mask file; relative to `settings.baseDir`. `config-invalid`, ... */
  loadMask(file: string): Promise<Mask>

  /** A private folder that is kept, below the state folder; made if need be. */
  stateFolder(name?: string): Promise<string>
  /** A new private folder. The caller removes it; what killed processes left goes too. */
  scratchFolder(): Promise<ScratchFolder>
  /** The arguments that start this program again with this configuration: for those that are to call us back. */
  readonly ownCommand: readonly string[]
  /** Things worth knowing that stop nothing and belong to no run. */
  tell(finding: Finding): void
}
