import type { HttpAnswer, HttpHead } from '../http/index.ts'

/**
 * Objects of one bucket, whole and by their key, over HTTP: what services for objects have in common. What a server says of
 * an object it stored or gives is believed as far as it can be checked. Rejects with the failure of its own kind for what
 * the server refused, with `HttpFailure` for what broke on the way, with `AppError` for credentials and interrupts.
 */
export interface ObjectClient {
  /** In one request. What the server stored is what was sent, or it fails. */
  put(key: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<void>
  /** The object or the range of it: the caller looks at the head, for a server may answer with another range. */
  get(key: string, options: GetOptions): Promise<HttpAnswer>
  /** Undefined where there is no such object. */
  head(key: string, options?: CallOptions): Promise<ObjectHead | undefined>
  /** One that is not there is fine. */
  remove(key: string, options?: CallOptions): Promise<void>
  /** All objects whose key starts with `prefix`, page by page; a page that comes twice fails. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>
  /** Of what was overwritten or deleted. */
  readonly history: ObjectHistory
  /** Of objects, until a date. */
  readonly locks: ObjectLocks
}

export interface ObjectLocks {
  /** By the server's clock. */
  now(): Date
  /** Undefined where the object has no lock, or is not there. */
  findUntil(key: string, options?: CallOptions): Promise<Date | undefined>
  /** Refused where the object has a longer one. */
  extend(key: string, lock: ObjectLock, options?: CallOptions): Promise<void>
  /** What the service says of the bucket; undefined: the present key may not ask, or the service does not know the question. */
  readBucket(options?: CallOptions): Promise<BucketLocks>
  /**
   * Stores an empty object, locked if it is said so, and tries to destroy it by all means that the key of the bucket may
   * have. Afterwards it is out of sight where that is possible.
   */
  tryToDestroy(key: string, lock: ObjectLock | undefined, options?: CallOptions): Promise<Destruction>
}

export interface BucketLocks {
  /** Does it keep the old versions of what is replaced or removed? */
  readonly keepsVersions: boolean | undefined
  /** Can its objects be locked, one by one? */
  readonly locksObjects: boolean | undefined
}

/** `ended`: destroyed, but only by ending its lock first, which needs a right of its own. */
export type Destruction = 'refused' | 'destroyed' | 'ended'

export interface ObjectLock {
  /** May who has a right of its own end it earlier (governance), or nobody (compliance)? */
  readonly mode: 'governance' | 'compliance'
  readonly until: Date
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface PutOptions extends CallOptions {
  /** Only where there is no such object. */
  readonly ifAbsent?: boolean | undefined
  /** Of the content, in hex, where the caller knows it. */
  readonly sha256?: string | undefined
  /** The service's own name of the class to store it in. Default: the bucket's. */
  readonly storageClass?: string | undefined
  /** The service's own: encryption. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly lock?: ObjectLock | undefined
}

export interface GetOptions extends CallOptions {
  readonly range?: { readonly offset: number; readonly length: number } | undefined
  /** See `HttpRequest`. */
  readonly into?: Buffer | undefined
  readonly limitBytes: number
  /** Looks at the head of a success before the object is read. What it throws comes out as it is. */
  readonly onHead?: ((head: HttpHead) => void) | undefined
}

/** Where an object lies, as far as the service tells. */
export interface ObjectClass {
  readonly storageClass?: string | undefined
  /** It has to be thawed before it can be read, or is on its way. */
  readonly archived?: 'archived' | 'thawing' | undefined
}

export interface ObjectHead extends ObjectClass {
  readonly sizeBytes: number
  /** By the server's clock. */
  readonly modifiedAt: Date | undefined
}

export interface ListedObject extends ObjectClass {
  readonly key: string
  readonly sizeBytes: number
  /** By the server's clock. */
  readonly modifiedAt: Date | undefined
}

/** What a service still has of objects that were overwritten or deleted. Rejects as `ObjectClient` does. */
export interface ObjectHistory {
  /** All versions of all objects whose key starts with `prefix`: key by key, of each the newest first. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedVersion>
  /** As `ObjectClient.get`, of one version. */
  get(key: string, version: string, options: GetOptions): Promise<HttpAnswer>
}

export interface ListedVersion {
  readonly key: string
  /** What the service calls it; '' where there is only one, and of a deletion. */
  readonly version: string
  /** By the service's clock; undefined where it does not tell. */
  readonly at: Date | undefined
  /** Not an object, but the moment in which there was none any more. */
  readonly deleted: boolean
  readonly sizeBytes: number
  /** It is there, but nobody can read it before an administrator has brought it back. */
  readonly softDeleted: boolean
}
