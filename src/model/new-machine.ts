import type { StorageCredential } from './storage-access.ts'

/** What a new machine needs to take up a configuration from a repository: names and places, never what they hold. */
export interface NewMachineNeeds {
  /** Of the repository, as `--from` takes it; without a password. */
  readonly url: string
  /** It is a folder that this machine sees. */
  readonly isFolder: boolean
  readonly password: PasswordPlace
  /** The variable that the password is to be in before the configuration is there. */
  readonly passwordVariable: string
  /** What lets a new machine into the storage before the configuration is there. */
  readonly credentials: readonly StorageCredential[]
  /** Variables of the environment, the password's left out. Without them the configuration cannot be read. */
  readonly variables: readonly NeededVariable[]
  readonly files: readonly NeededFile[]
  /** Keys of what runs programs or sends requests: it comes back as a comment. */
  readonly leftOut: readonly string[]
}

/** What a machine has of a repository, told by its configuration. */
export interface RepositoryPlace {
  /** Absolute; undefined: it is no folder of this machine. */
  readonly folder: string | undefined
  /** Undefined: a person types it. */
  readonly password: PasswordPlace | undefined
}

/** Where a password is on the machine that has the configuration now. */
export type PasswordPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'command'; readonly program: string }
  | { readonly kind: 'configuration' }

export interface NeededVariable {
  readonly name: string
  /** Of the values that it is in: `sources.shop.url`. */
  readonly keys: readonly string[]
  /** A secret that stands in the configuration in clear now, and of which only this name is kept. */
  readonly inClear: boolean
  /** One of the files gives it. */
  readonly inEnvFile: boolean
}

export interface NeededFile {
  /** `sources.app.restore.mask`: what it is for. */
  readonly key: string
  /** Absolute. */
  readonly path: string
}
