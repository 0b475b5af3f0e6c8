import type { BigIntStats } from 'node:fs'
import { AppError } from '../../../../base/errors.ts'
import type { TreeNode } from '../../../../model/node.ts'
import type { ParentSnapshot } from '../../../source.ts'
import { BACKUP_MANIFEST, numberProperty, textProperty } from '../cluster-properties.ts'
import { readManifestFiles } from '../verify/backup-manifest.ts'

/** What the snapshot before knows of the cluster's files. */
export interface KnownFiles {
  /** The node of a file that has provably not been written since it was read for that snapshot. */
  findUnchanged(path: string, stats: BigIntStats): Promise<KnownFile | undefined>
}

export interface KnownFile {
  readonly sizeBytes: number
  /** Undefined where the snapshot before does not say. */
  readonly sha256: string | undefined
}

/**
 * A write sets a file's times to the clock's last tick, so one that follows another within the same tick, or a clock
 * that two programs read differently, would not show. Files so fresh when they were read are read again.
 */
const FRESH_NS = 2_000_000_000n

export async function openKnownFiles(
  parent: ParentSnapshot | undefined,
  systemIdentifier: string,
  source: string,
): Promise<KnownFiles> {
  if (parent === undefined) return { findUnchanged: () => Promise.resolve(undefined) }
  requireSameCluster(parent, systemIdentifier, source)
  const startedMs = numberProperty(parent.manifest, 'startedAtMs')
  const checksums = await readChecksums(parent)
  return {
    findUnchanged: async (path, stats) => {
      const node = await parent.findNode(path)
      if (node === undefined || startedMs === undefined || !isUntouched(node, stats, startedMs)) return undefined
      const known = checksums.get(path)
      const sizeBytes = Number(stats.size)
      return { sizeBytes, sha256: known?.sizeBytes === sizeBytes ? known.sha256 : undefined }
    },
  }
}

function isUntouched(node: TreeNode, stats: BigIntStats, readAfterMs: number): boolean {
  const settledBefore = BigInt(readAfterMs) * 1_000_000n - FRESH_NS
  return (
    node.type === 'file' &&
    BigInt(node.sizeBytes ?? -1) === stats.size &&
    node.mtimeNs === stats.mtimeNs &&
    node.ctimeNs === stats.ctimeNs &&
    node.inode === stats.ino &&
    stats.mtimeNs < settledBefore &&
    stats.ctimeNs < settledBefore
  )
}

function requireSameCluster(parent: ParentSnapshot, systemIdentifier: string, source: string): void {
  const before = textProperty(parent.manifest, 'systemIdentifier')
  if (before === undefined || before === systemIdentifier) return
  throw new AppError('source-invalid', `source ${source} is another cluster now: ${systemIdentifier}, was ${before}`, {
    hint: 'Is the url right? If the cluster was made anew, take a full backup (--type full) or give it a name of its own.',
    context: { snapshot: parent.id },
  })
}

async function readChecksums(parent: ParentSnapshot): Promise<ReturnType<typeof readManifestFiles>> {
  const node = await parent.findNode(BACKUP_MANIFEST)
  if (node === undefined) return new Map()
  const parts: Buffer[] = []
  for await (const part of parent.read(node)) parts.push(part)
  return readManifestFiles(Buffer.concat(parts).toString('utf8'))
}
