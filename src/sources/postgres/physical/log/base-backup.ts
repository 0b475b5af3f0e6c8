import type { LogBase } from '../../../../model/log.ts'
import type { Manifest } from '../../../../model/manifest.ts'
import type { BaseBackup } from './recovery-window.ts'
import { parseLsn } from './wal.ts'

/** Undefined when the manifest is not of a physical backup. */
export function findBase(manifest: Manifest): Omit<LogBase, 'snapshot'> | undefined {
  const properties = manifest.database?.properties
  if (properties?.['mode'] !== 'physical') return undefined
  const { systemIdentifier, timeline, startLsn, stopLsn, nextXid } = properties
  if (typeof systemIdentifier !== 'string' || typeof timeline !== 'number') return undefined
  if (!isPosition(startLsn) || !isPosition(stopLsn)) return undefined
  return {
    log: systemIdentifier,
    branch: timeline,
    start: startLsn,
    end: stopLsn,
    endedAt: new Date(manifest.capturedAt),
    properties: { nextXid },
  }
}

function isPosition(value: unknown): value is string {
  return typeof value === 'string' && parseLsn(value) !== undefined
}

/** The same, for calculating with. */
export function baseBackupOf({ snapshot, branch, start, end, endedAt, properties }: LogBase): BaseBackup {
  const { nextXid } = properties
  return {
    snapshot,
    timeline: branch,
    startLsn: parseLsn(start) ?? 0n,
    stopLsn: parseLsn(end) ?? 0n,
    stoppedAt: endedAt,
    nextXid: typeof nextXid === 'string' && /^\d+$/.test(nextXid) ? BigInt(nextXid) : undefined,
  }
}
