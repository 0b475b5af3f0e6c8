import { forEachLimit } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import type { Retention, Storage } from '../../storage/storage.ts'
import type { FoundLocks, LockExamination, LockSample } from '../contract/examining-locks.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import { LOCKED_FOLDERS } from './lock-period.ts'

export interface LocksToExamine {
  readonly storage: Storage
  readonly random: Random
  readonly snapshots: readonly Snapshot[]
  readonly keys: readonly Id[]
  readonly indexes: readonly Id[]
  readonly packs: readonly Id[]
  /** The packs that hold a tree. */
  readonly packsOfTree: (tree: Id) => readonly Id[]
}

const SAMPLE = 100
/** Of each kind, when not all can be looked at. */
const A_FEW = 10
/** No file of a repository has this name. */
const TRIED = 'canary'

/** Looks for what keeps a repository from being destroyed. Nothing of its own data is tried. */
export async function examineLocks(from: LocksToExamine, signal: AbortSignal): Promise<LockExamination> {
  const { traits, retention } = from.storage
  return { overwrites: traits.overwrites, locks: retention && (await findLocks(from, retention, signal)) }
}

async function findLocks(from: LocksToExamine, retention: Retention, signal: AbortSignal): Promise<FoundLocks> {
  const bucket = await retention.readBucket({ signal })
  const { lock: settings, advice } = retention
  const isLocked = bucket.locksObjects ?? settings !== undefined
  const tries = await tryToDestroy(retention, isLocked, signal)
  const sample = isLocked ? await readSample(from, retention, signal) : undefined
  return { settings, bucket, tries, sample, advice }
}

async function tryToDestroy(
  retention: Retention,
  isLocked: boolean,
  signal: AbortSignal,
): Promise<FoundLocks['tries']> {
  const tries: Array<FoundLocks['tries'][number]> = []
  for (const folder of LOCKED_FOLDERS) {
    const came = await retention.tryToDestroy(folder + TRIED, isLocked, { signal })
    tries.push({ folder, isLocked, came })
    // What refused without a lock of ours may be a rule for this folder alone.
    if (isLocked || came !== 'refused') break
  }
  return tries
}

async function readSample(from: LocksToExamine, retention: Retention, signal: AbortSignal): Promise<LockSample> {
  const { keys, total } = chooseSample(from)
  const unlocked: string[] = []
  let firstEnd: Date | undefined
  await forEachLimit(keys, from.storage.traits.concurrency, async key => {
    throwIfAborted(signal)
    const until = await retention.findLockedUntil(key, { signal })
    if (until === undefined || until <= retention.now()) unlocked.push(key)
    else if (firstEnd === undefined || until < firstEnd) firstEnd = until
  })
  return { read: keys.length, total, unlocked: unlocked.sort(), firstEnd }
}

/** All of a small repository. Else the config, keys, what the oldest snapshots need, and others at random. */
function chooseSample({ snapshots, keys, indexes, packs, packsOfTree, random }: LocksToExamine): {
  keys: string[]
  total: number
} {
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
    ...oldest.flatMap(({ tree }) => packsOfTree(tree).map(id => fileKey('pack', id))),
    ...shuffled(indexes)
      .slice(0, A_FEW)
      .map(id => fileKey('index', id)),
  ]
  const all = [
    ...packs.map(id => fileKey('pack', id)),
    ...indexes.map(id => fileKey('index', id)),
    ...snapshots.map(({ id }) => fileKey('snapshot', id)),
    ...keys.map(id => fileKey('key', id)),
  ]
  return { keys: [...new Set([...first, ...shuffled(all)])].slice(0, SAMPLE), total: all.length + 1 }
}
