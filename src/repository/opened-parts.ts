import type { Id } from '../model/node.ts'
import type { Storage } from '../storage/storage.ts'
import type { Config } from './format/config.ts'
import type { KeyMaterial } from './format/key-file.ts'
import type { RepositoryOptions } from './repository.ts'

/** A repository whose password was right. */
export interface OpenedParts {
  readonly storage: Storage
  readonly options: RepositoryOptions
  readonly config: Config
  readonly keys: KeyMaterial
  /** The key file that the password opened. */
  readonly keyId: Id
  /** All that there were then. */
  readonly keyIds: readonly Id[]
}
