import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'

/** What every call of an adapter is given. */
export interface SourceContext {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly logger: Logger
  /** A private, existing folder for temporary files; the caller removes it. */
  readonly scratchDir: string
}

/** Of a folder that is written into: what the snapshot has not goes. */
export interface DeleteRequest {
  /** Repositories and our own state: absolute paths that stay wherever they are. */
  readonly spare: readonly string[]
  /** When a person was shown what would go: what came or changed later stays. Undefined: nobody was shown anything yet. */
  readonly seenAt: Date | undefined
}

/** Which part of a server's snapshot comes back. Where a list is absent or empty, all does. */
export interface DatabaseSelection {
  /** Of a snapshot of several databases: these. */
  readonly databases?: readonly string[] | undefined
  /** Only these tables (`name` or `schema.name`), into a database that exists: what refers to them stays. */
  readonly tables?: readonly string[] | undefined
  /** Only the tables of these schemas, likewise. */
  readonly schemas?: readonly string[] | undefined
  /** Of a whole snapshot, the schema alone, or the rows alone into tables that are there. */
  readonly part?: 'schema' | 'data' | undefined
}
