import type { Manifest, ManifestDatabase } from '../../../model/manifest.ts'
import type { BackupEnd } from './capture/low-level-backup.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import { formatLsn } from './log/wal.ts'

export const BACKUP_LABEL = 'backup_label'
export const BACKUP_MANIFEST = 'backup_manifest'
export const TABLESPACE_MAP = 'tablespace_map'

/** What the snapshot's manifest says of a physical backup: identity, the range of the log, what a copy needs to start. */
export function clusterProperties(facts: ClusterFacts, end: BackupEnd, startedAtMs: number): ManifestDatabase {
  return {
    tables: [],
    schemaFingerprint: '',
    properties: {
      mode: 'physical',
      systemIdentifier: facts.systemIdentifier,
      serverVersion: facts.version,
      timeline: end.label.timeline,
      startLsn: formatLsn(end.label.startLsn),
      stopLsn: formatLsn(end.stopLsn),
      startedAtMs,
      stoppedAtMs: end.stoppedAt.getTime(),
      nextXid: end.nextXid,
      walSegmentBytes: facts.walSegmentBytes,
      dataChecksums: facts.checksums,
      fromStandby: facts.standby,
      dataDirectory: facts.dataDir,
      role: facts.role,
      ...facts.recoveryMinimums,
    },
  }
}

export function textProperty(manifest: Manifest | undefined, name: string): string | undefined {
  const value = manifest?.database?.properties[name]
  return typeof value === 'string' ? value : undefined
}

export function numberProperty(manifest: Manifest | undefined, name: string): number | undefined {
  const value = manifest?.database?.properties[name]
  return typeof value === 'number' ? value : undefined
}
