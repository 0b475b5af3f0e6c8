import type { Id } from '../../model/node.ts'

export interface KeyLabel {
  readonly hostname: string
  readonly username: string
}

export interface KeyInfo extends KeyLabel {
  readonly id: Id
  readonly created: Date
  /** The key this repository was opened with. */
  readonly current: boolean
}

export interface RemovedKey {
  readonly id: Id
  /** Until then an old version of its file stays in the bucket; undefined where the storage locks none. */
  readonly keptUntil: Date | undefined
}

export interface ChangedPassword {
  readonly key: KeyInfo
  /** As of `RemovedKey`, of the old password's. */
  readonly keptUntil: Date | undefined
}

export interface LockInfo {
  readonly id: Id
  readonly time: Date
  readonly exclusive: boolean
  readonly hostname: string
  readonly username: string
  readonly pid: number
  readonly stale: boolean
}

export interface LockWaitOptions {
  readonly lockWaitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}
