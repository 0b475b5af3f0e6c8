import { hash } from 'node:crypto'
import { forEachLimit } from '../../base/concurrency.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { formatIndex, type IndexedPack } from '../format/index-file.ts'
import { formatPackHeader } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { loadPackContents } from '../read/load-contents.ts'

/**
 * Mends an index that lost files: packs that no index names are indexed by their own headers. In a dry run only in
 * memory.
 *
 * @param stored all packs with their sizes
 */
export async function adoptPacks(
  context: RepositoryContext & { readonly files: RepositoryFiles },
  index: BlobIndex,
  stored: ReadonlyMap<Id, number>,
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<Finding[]> {
  const known = index.packIds()
  const adopted: IndexedPack[] = []
  const findings: Finding[] = []
  const unknown = [...stored].filter(([id]) => !known.has(id))
  await forEachLimit(unknown, context.storage.traits.concurrency, async ([id, sizeBytes]) => {
    const contents = await loadPackContents(context, id, sizeBytes, options.signal)
    if ('blobs' in contents) adopted.push({ id, blobs: contents.blobs })
    else findings.push(unreadable(id, contents.reason))
  })
  if (adopted.length === 0) return findings
  const json = formatIndex(adopted)
  const indexId = options.dryRun ? hash('sha256', json, 'hex') : await context.files.save('index', json, options.signal)
  await index.addIndexFile(
    indexId,
    adopted.map(({ id, blobs }) => ({ id, blobs: blobs.length, entries: formatPackHeader(blobs) })),
  )
  return [...findings, mended(adopted.length)]
}

function unreadable(pack: Id, reason: string): Finding {
  return {
    severity: 'warning',
    code: 'pack-damaged',
    subject: `pack ${shortId(pack)}`,
    message: `no index names the pack, and its header cannot be read: ${reason}`,
    affects: [],
  }
}

function mended(packs: number): Finding {
  return {
    severity: 'warning',
    code: 'index-mended',
    subject: 'index',
    message: `${packs} packs were in no index that can be read; they were indexed anew from what they hold`,
  }
}
