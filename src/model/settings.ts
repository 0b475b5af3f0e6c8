import type { Assertion } from './assertion.ts'
import type { Hook } from './hook.ts'
import type { BackupType } from './manifest.ts'
import type { MergeRules } from './merge-rules.ts'
import type { ProofLevel } from './recovery-point.ts'
import type { RetentionRules } from './retention.ts'
import type { DayWindow } from './schedule.ts'

/** What a person configured, as operations need it. How a repository is reached and opened is not among it. */
export interface Settings {
  /** For messages: where it is written. Undefined: there is no configuration, and a repository was named by its URL. */
  readonly file: string | undefined
  /** Relative paths are relative to this folder. Absolute. */
  readonly baseDir: string
  readonly repositories: ReadonlyMap<string, unknown>
  readonly sources: ReadonlyMap<string, SourceSettings>
  readonly policies: ReadonlyMap<string, PolicySettings>
  readonly maintenance: MaintenanceSettings
}

export interface SourceSettings {
  readonly kind: string
  /** Everything of the adapter's own, as its schema gives it. */
  readonly options: unknown
  readonly restore?: RestoreSettings | undefined
  readonly assertions?: readonly Assertion[] | undefined
}

/** How a source comes back. */
export interface RestoreSettings {
  readonly before?: Hook | undefined
  readonly after?: Hook | undefined
  /** Where test copies go: a path, relative to `baseDir`, or a URL. */
  readonly test?: string | undefined
  readonly merge?: MergeRules | undefined
  /** The mask file of test copies, relative to `baseDir`. */
  readonly mask?: string | undefined
}

/** Which sources go to which repositories, when, and how long they are kept. */
export interface PolicySettings {
  readonly sources: readonly string[]
  readonly repositories: readonly string[]
  /** A cron expression. */
  readonly schedule?: string | undefined
  readonly timezone?: string | undefined
  /** Milliseconds. */
  readonly jitter?: number | undefined
  readonly window?: DayWindow | undefined
  readonly except?: readonly string[] | undefined
  /** Default: `incremental`. */
  readonly type?: BackupType | undefined
  readonly keep?: RetentionRules | undefined
  /** In place of `keep`, by the name of a repository. */
  readonly keepIn?: Readonly<Record<string, RetentionRules>> | undefined
  /** Milliseconds: how old the newest recovery point may be, how long a recovery may take. */
  readonly objectives?: { readonly rpo?: number | undefined; readonly rto?: number | undefined } | undefined
  readonly verify?: VerificationRule | undefined
  /** Around a backup. */
  readonly before?: Hook | undefined
  readonly after?: Hook | undefined
  readonly onFailure?: Hook | undefined
}

/** When repositories are looked after, as cron expressions. Undefined: not by us. */
export interface MaintenanceSettings {
  readonly forget?: string | undefined
  readonly prune?: string | undefined
  readonly check?: string | undefined
  readonly timezone?: string | undefined
}

/** Prove after a backup that it comes back. */
export interface VerificationRule {
  readonly level: ProofLevel
  /** One in so many backups. */
  readonly every: number
}
