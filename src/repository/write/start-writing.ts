import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { type BadPlaces, findLostBlobs } from '../check/bad-places.ts'
import { shortId } from '../format/file-keys.ts'
import { WritingLock } from '../lock/writing-lock.ts'
import type { Writing } from '../repository.ts'
import { KnownBlobs } from './known-blobs.ts'
import { findMissingPacks } from './relied-on.ts'
import { RunningWriting, type WritingParts } from './running-writing.ts'

/** Takes the shared lock, then brings the index up to date: what was known before may have been pruned since. */
export async function startWriting(parts: WritingParts): Promise<Writing> {
  const known = new KnownBlobs(parts.index)
  const lock = new WritingLock(parts.lock, async () => {
    await parts.index.refresh(parts.signal)
    known.recheck()
  })
  try {
    await lock.written
    await parts.index.refresh(parts.signal)
    for (const finding of parts.index.findings) parts.lock.onFinding(finding)
    const missing = await findMissingPacks(parts.files, parts.index)
    if (missing.length > 0) parts.lock.onFinding(packsMissing(missing))
    known.distrust(findLostBlobs(parts.index, await findBadPlaces(parts, missing)))
    return new RunningWriting(parts, lock, known, new Set(missing))
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** What checks and reads found, and packs that are gone: what the index says of them must not keep a blob from being stored. */
async function findBadPlaces({ record }: WritingParts, missing: readonly Id[]): Promise<BadPlaces> {
  const known = await record.load()
  return { packs: new Set([...known.packs, ...missing]), copies: known.copies }
}

function packsMissing(missing: readonly Id[]): Finding {
  return {
    severity: 'warning',
    code: 'pack-missing',
    subject: `pack ${missing.map(shortId).join(', ')}`,
    message: 'the pack is missing; what this backup needs from it is stored anew',
    hint: 'Run "lifeboat check" to see which snapshots are hurt.',
  }
}
