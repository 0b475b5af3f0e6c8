import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { listUnneededSegments } from '../../model/recovery-window.ts'
import type { Repository, WalStore } from '../../repository/index.ts'
import { readArchive } from '../wal/archive.ts'
import { listBaseBackups } from '../wal/base-backups.ts'

export interface CopiedLog {
  readonly files: number
  readonly bytes: number
}

export interface LogCopy {
  readonly copied: CopiedLog
  readonly findings: readonly Finding[]
}

/**
 * Copies the log of the clusters whose base backups are at the other place, as far back as the oldest of these needs it:
 * what is older would be removed there by the next prune. Undefined: there is none.
 */
export async function copyLogs(
  from: Repository,
  to: Repository,
  sources: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<LogCopy | undefined> {
  const clusters = new Set(await from.wal.listClusters(signal))
  if (clusters.size === 0) return undefined
  const lists = await Promise.all((sources ?? [undefined]).map(source => listBaseBackups(to, source)))
  const bases = lists.flatMap(list => list.bases)
  let files = 0
  let bytes = 0
  const findings: Finding[] = []
  for (const cluster of new Set(bases.map(base => base.systemIdentifier))) {
    if (!clusters.has(cluster)) continue
    const own = bases.filter(base => base.systemIdentifier === cluster)
    const { log } = await readArchive(from.wal, cluster, signal)
    const unneeded = new Set(listUnneededSegments(own, log))
    for (const name of await missingFiles(from.wal, to.wal, cluster, signal)) {
      if (unneeded.has(name.slice(0, 24))) continue
      try {
        const copied = await copyFile(from.wal, to.wal, cluster, name, signal)
        files += copied > 0 ? 1 : 0
        bytes += copied
      } catch (error) {
        if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
        findings.push(notCopied(name, error))
        // No other file would fare better.
        if (isAppError(error, 'unsupported')) break
      }
    }
  }
  return { copied: { files, bytes }, findings }
}

/** Histories first, then by name, so that a log that was copied in part has no gap. Unfinished files may have grown. */
async function missingFiles(from: WalStore, to: WalStore, cluster: string, signal: AbortSignal): Promise<string[]> {
  const there = new Set<string>()
  for await (const { file } of to.list(cluster, signal)) if (file.kind !== 'partial') there.add(file.name)
  const missing: string[] = []
  for await (const { file } of from.list(cluster, signal)) if (!there.has(file.name)) missing.push(file.name)
  const rank = (name: string): number => (name.endsWith('.history') ? 0 : 1)
  return missing.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

/** Bytes of the file; 0: it was there, or is gone where it comes from. */
async function copyFile(
  from: WalStore,
  to: WalStore,
  systemIdentifier: string,
  name: string,
  signal: AbortSignal,
): Promise<number> {
  const found = await from.find(systemIdentifier, name, signal)
  if (found === undefined) return 0
  const { header, bytes } = found
  const { segmentBytes } = header
  const content = { name, systemIdentifier, bytes, segmentBytes, writtenAt: new Date(header.writtenAt) }
  return (await to.save(content, signal)) === 'stored' ? bytes.length : 0
}

function notCopied(name: string, { code, message, hint }: AppError): Finding {
  return {
    severity: 'error',
    code: 'log-not-copied',
    subject: `log file ${name}`,
    message: `${message} (${code})`,
    ...(hint === undefined ? {} : { hint }),
  }
}
