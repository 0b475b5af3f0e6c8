import { forEachLimit } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import { TRIED_NAME } from '../../model/probe-object.ts'
import type { Retention, Storage } from '../../storage/storage.ts'
import type { FoundLocks, LockExamination, LockSample } from '../contract/examining-locks.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import { LOCKED_FOLDERS } from './lock-period.ts'

export interface ExaminedParts {
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly snapshots: SnapshotStore
  readonly random: Random
}

const SAMPLE = 100
/** Of each kind, when not all can be looked at. */
const A_FEW = 10

/** Looks for what keeps a repository from being destroyed. Nothing of its own data is tried. */
export async function examineLocks(
  { traits, retention }: Storage,
  parts: ExaminedParts,
  signal: AbortSignal,
): Promise<LockExamination> {
  const locks = retention && (await findLocks(retention, parts, traits.concurrency, signal))
  return { overwrites: traits.overwrites, locks }
}

async function findLocks(
  retention: Retention,
  parts: ExaminedParts,
  calls: number,
  signal: AbortSignal,
): Promise<FoundLocks> {
  const bucket = await retention.readBucket({ signal })
  const { lock: settings, advice } = retention
  const isLocked = bucket.locksObjects ?? settings !== undefined
  const tries = await tryToDestroy(retention, isLocked, signal)
  const chosen = isLocked ? await chooseSample(parts, signal) : undefined
  const sample = chosen && (await readSample(retention, chosen, calls, signal))
  return { settings, bucket, tries, sample, advice }
}

async function tryToDestroy(
  retention: Retention,
  isLocked: boolean,
  signal: AbortSignal,
): Promise<FoundLocks['tries']> {
  const tries: Array<FoundLocks['tries'][number]> = []
  for (const folder of LOCKED_FOLDERS) {
    const came = await retention.tryToDestroy(folder + TRIED_NAME, isLocked, { signal })
    tries.push({ folder, isLocked, came })
    // What refused without a lock of ours may be a rule for this folder alone.
    if (isLocked || came !== 'refused') break
  }
  return tries
}

async function readSample(
  retention: Retention,
  { keys, total }: ChosenSample,
  calls: number,
  signal: AbortSignal,
): Promise<LockSample> {
  const unlocked: string[] = []
  let firstEnd: Date | undefined
  await forEachLimit(keys, calls, async key => {
    throwIfAborted(signal)
    const until = await retention.findLockedUntil(key, { signal })
    if (until === undefined || until <= retention.now()) unlocked.push(key)
    else if (firstEnd === undefined || until < firstEnd) firstEnd = until
  })
  return { read: keys.length, total, unlocked: unlocked.sort(), firstEnd }
}

interface ChosenSample {
  readonly keys: readonly string[]
  /** Of how many. */
  readonly total: number
}

/** All of a small repository. Else the config, keys, what the oldest snapshots need, and others at random. */
async function chooseSample(
  { files, index, snapshots: store, random }: ExaminedParts,
  signal: AbortSignal,
): Promise<ChosenSample> {
  const { snapshots } = await store.list()
  await index.refresh(signal)
  const keys = await files.listIds('key')
  const { indexIds } = index
  const packsOfTree = (tree: Id): string[] => index.findAll('tree', tree).map(({ packId }) => fileKey('pack', packId))
  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map(item => ({ item, at: random.bytes(4).readUInt32LE(0) }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item)
  const oldest = snapshots.slice(0, A_FEW)
  const first = [
    CONFIG_KEY,
    ...keys.slice(0, A_FEW).map(id => fileKey('key', id)),
    ...oldest.map(({ id }) => fileKey('snapshot', id)),
    ...oldest.flatMap(({ tree }) => packsOfTree(tree)),
    ...shuffled(indexIds)
      .slice(0, A_FEW)
      .map(id => fileKey('index', id)),
  ]
  const all = [
    ...[...index.packIds()].map(id => fileKey('pack', id)),
    ...indexIds.map(id => fileKey('index', id)),
    ...snapshots.map(({ id }) => fileKey('snapshot', id)),
    ...keys.map(id => fileKey('key', id)),
  ]
  return { keys: [...new Set([...first, ...shuffled(all)])].slice(0, SAMPLE), total: all.length + 1 }
}
