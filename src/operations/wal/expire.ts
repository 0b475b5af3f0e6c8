import type { Finding } from '../../model/finding.ts'
import { listUnneededSegments } from '../../model/recovery-window.ts'
import type { Repository } from '../../repository/index.ts'
import { readArchive } from './archive.ts'
import { listBaseBackups } from './base-backups.ts'

export interface WalExpiry {
  /** There is any log in the repository. */
  readonly found: boolean
  readonly files: number
  /** Compressed and sealed. */
  readonly bytes: number
  readonly findings: readonly Finding[]
}

/**
 * Removes the log that no backup in the repository needs: all before the start of the oldest one of its cluster. Where
 * no backup is left, or one can't be read, nothing is removed. Run it after snapshots were forgotten.
 */
export async function expireWal(
  repository: Repository,
  options: {
    readonly dryRun: boolean
    /** As if these were forgotten. */
    readonly withoutSnapshots?: readonly string[] | undefined
    readonly signal: AbortSignal
  },
): Promise<WalExpiry> {
  const clusters = await repository.wal.listClusters(options.signal)
  if (clusters.length === 0) return { found: false, files: 0, bytes: 0, findings: [] }
  const { bases: all, findings } = await listBaseBackups(repository)
  // A snapshot that can't be read may be a backup that needs the log.
  if (findings.length > 0) return { found: true, files: 0, bytes: 0, findings }
  const bases = all.filter(base => !options.withoutSnapshots?.includes(base.snapshot))
  let files = 0
  let bytes = 0
  for (const systemIdentifier of clusters) {
    const own = bases.filter(base => base.systemIdentifier === systemIdentifier)
    const archive = await readArchive(repository.wal, systemIdentifier, options.signal)
    const unneeded = new Set(listUnneededSegments(own, archive.log))
    for await (const { file, storedBytes } of repository.wal.list(systemIdentifier, options.signal)) {
      // Backup labels and unfinished segments go with the segment they are of.
      if (file.kind === 'history' || !unneeded.has(file.name.slice(0, 24))) continue
      files++
      bytes += storedBytes
      if (!options.dryRun) await repository.wal.remove(systemIdentifier, file.name, options.signal)
    }
  }
  return { found: true, files, bytes, findings: [] }
}
