import type { Manifest } from '../../../../model/manifest.ts'
import { numberProperty, textProperty } from '../cluster-properties.ts'
import { DEFAULT_WAL_SEGMENT_BYTES } from '../log/wal.ts'

const MIB = 1024 * 1024

/**
 * What ties a cluster to its machine and to its peers: libraries, memory, certificates, standbys. A copy that is started
 * elsewhere, or for a moment, must not depend on them. `ALTER SYSTEM` may have set them, so each is set back by name.
 */
export const MACHINE_BOUND = [
  'shared_preload_libraries=',
  'session_preload_libraries=',
  'local_preload_libraries=',
  'ssl=off',
  'huge_pages=off',
  'shared_buffers=128MB',
  'unix_socket_group=',
] as const

/** A commit waits for standbys that a copy does not have; a file of the original's must not be written over. */
export const ALONE = ['synchronous_standby_names=', 'external_pid_file=', 'archive_mode=off'] as const

/**
 * The settings of a server of ours that lets a copy recover, derived from what the copy holds.
 *
 * - Nobody is let in before the end of recovery (`hot_standby`): so the log may ask for any `max_connections` and the
 *   like, raised after the backup too, and recovery never pauses for it.
 * - Commit timestamps are kept: a server without the setting throws them away at the end of recovery.
 * - Our reading of its words needs them in English.
 */
export function recoverySettings(manifest: Manifest | undefined): string[] {
  const segmentMib = (numberProperty(manifest, 'walSegmentBytes') ?? DEFAULT_WAL_SEGMENT_BYTES) / MIB
  return [
    ...ALONE,
    ...MACHINE_BOUND,
    'hot_standby=off',
    'recovery_min_apply_delay=0',
    'track_commit_timestamp=on',
    'lc_messages=C',
    'unix_socket_permissions=0700',
    // PostgreSQL wants at least two segments.
    `min_wal_size=${Math.max(80, 2 * segmentMib)}MB`,
    `max_wal_size=${Math.max(1024, 4 * segmentMib)}MB`,
    'max_connections=20',
    'superuser_reserved_connections=3',
    // Transactions that were prepared come back with their locks.
    `max_prepared_transactions=${2 * atLeast(50, manifest, 'max_prepared_transactions')}`,
    `max_locks_per_transaction=${atLeast(100, manifest, 'max_locks_per_transaction')}`,
  ]
}

function atLeast(least: number, manifest: Manifest | undefined, name: string): number {
  const value = Number(textProperty(manifest, name) ?? 0)
  return Number.isSafeInteger(value) ? Math.max(least, value) : least
}
