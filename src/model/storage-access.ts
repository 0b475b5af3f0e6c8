/** What it takes to be let in by a storage. Told by its URL and options; names and documents, never a secret. */
export interface StorageAccess {
  /** What a new machine needs beside what the configuration names. */
  readonly credentials: readonly StorageCredential[]
  /** Documents in the service's own words that give a login what it needs; none where the service has no such thing. */
  readonly permissions: readonly PermissionDocument[]
  /** What to do where the service passes conditions over. */
  readonly withoutConditions?: string | undefined
}

export interface StorageCredential {
  /** `access key of S3` */
  readonly what: string
  /** Of the environment, all of them together. */
  readonly variables: readonly string[]
  /** Where else it may be. */
  readonly elsewhere?: string | undefined
}

export interface PermissionDocument {
  /** For what it is enough. */
  readonly title: string
  /** As the service takes it: JSON, or commands. */
  readonly text: string
}

export const NO_ACCESS_NEEDED: StorageAccess = { credentials: [], permissions: [] }
