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
