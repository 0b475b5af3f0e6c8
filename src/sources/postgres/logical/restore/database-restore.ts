import type { ConnectionSettings, PostgresTools, Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { BackupType, ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { MaskedColumn } from '../../../../model/masking/outcome.ts'
import type { CheckOutcome, RestoreRequest } from '../../../source.ts'
import type { Archives } from '../archive/archives.ts'
import type { StagingDatabase } from './staging-database.ts'

/** One database of a snapshot on its way back. */
export interface DatabaseRestore {
  readonly request: RestoreRequest
  readonly archives: Archives
  /** What comes back of it: `full`, or a part. */
  readonly type: BackupType
  /** As it was. */
  readonly database: ManifestServerDatabase
  /** What it shall be called. */
  readonly target: string
  readonly settings: ConnectionSettings
  readonly admin: Session
  readonly tools: PostgresTools
  readonly jobs: number
  /** Of the rows of single tables: how long to wait for those who use them. */
  readonly lockTimeoutSeconds: number
  /** Only a part of the database was captured. */
  readonly partial: boolean
}

export interface DatabaseOutcome {
  readonly checks: CheckOutcome[]
  readonly findings: Finding[]
  readonly masked?: readonly MaskedColumn[] | undefined
}

/** A database that is filled and checked, beside the target. */
export interface StagedDatabase extends DatabaseOutcome {
  readonly restore: DatabaseRestore
  readonly staging: StagingDatabase
}

/** A database that is being filled. */
export interface LoadRun
  extends Pick<DatabaseRestore, 'archives' | 'type' | 'database' | 'target' | 'settings' | 'tools' | 'jobs'> {
  readonly request: Pick<RestoreRequest, 'scratchDir' | 'signal' | 'checks'>
  /** Its name until it is whole. */
  readonly into: string
  /** More arguments of pg_restore. */
  readonly more: readonly string[]
  /** Options of every connection that fills it. */
  readonly options: string
}
