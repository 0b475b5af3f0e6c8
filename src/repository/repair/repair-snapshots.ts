import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { packsOf } from '../check/bad-places.ts'
import { listPacks } from '../check/inventory.ts'
import { PackTable } from '../check/pack-table.ts'
import type { RepairedSnapshot, RepairOptions, SnapshotsRepair, SnapshotsRepairOptions } from '../contract/repairing.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { TreeWriting } from '../contract/writing.ts'
import { fileKey, shortId } from '../format/file-keys.ts'
import { parseSnapshot } from '../format/snapshot-file.ts'
import { decodeUnpacked } from '../format/unpacked.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { restoreFile } from '../parity/heal.ts'
import type { Reader } from '../read/reader.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import { BlobSink } from '../write/blob-sink.ts'
import { Session, type SessionParts } from '../write/session.ts'
import { NODES_A_RUN, TreeWriter } from '../write/tree-writer.ts'
import { loadWholeIndex, type RepairContext } from './repair-context.ts'
import { formatRepaired, REPAIRED_TAG } from './repaired-snapshot.ts'
import { resolveIds } from './resolve-ids.ts'
import { type LeftOfTree, TreeRewriter } from './tree-rewriter.ts'

/** Where what is left is written to. */
export interface RepairWriting extends SessionParts {
  readonly snapshots: SnapshotStore
}

/**
 * Finds the snapshots that cannot be read whole, and makes of each one that can: without the files and folders that are
 * gone. The damaged ones stay beside it; removing them is the caller's. What `repair packs` could still bring back is never
 * given up: it refuses then.
 *
 * @param ids of snapshots, or their first digits; empty: all
 */
export async function repairSnapshots(
  context: RepairContext,
  writing: RepairWriting,
  ids: readonly Id[],
  options: SnapshotsRepairOptions,
): Promise<SnapshotsRepair> {
  const { signal, dryRun } = options
  const index = await loadWholeIndex(context, signal)
  await refuseWhilePacksCanBeRepaired(context, index, signal)
  const listed = await listSnapshots(context, ids, options)
  const reader: Reader = { ...context, index, others: undefined }
  const look = new TreeRewriter(reader, unwrittenTree, signal)
  const broken: Array<{ readonly snapshot: Snapshot; readonly left: LeftOfTree }> = []
  for (const snapshot of listed.snapshots) {
    const left = await look.rewrite(snapshot.tree)
    if (left.tree !== snapshot.tree) broken.push({ snapshot, left })
  }
  await refuseWhileOthersHaveIt(context, look.missing)
  const unreadable = listed.unreadable.map(id => unreadableSnapshot(id))
  const repaired = dryRun
    ? broken.map(({ snapshot, left }) => outcomeOf(snapshot, left, undefined, 'rewritten'))
    : await writeRepaired(
        reader,
        writing,
        broken.map(({ snapshot }) => snapshot),
        signal,
      )
  return {
    snapshots: [...listed.healed.map(healedSnapshot), ...unreadable, ...repaired],
    sound: listed.snapshots.length - broken.length,
    findings: [],
  }
}

interface Listed {
  readonly snapshots: readonly Snapshot[]
  /** Their files were put back by their parity; they are among the snapshots. */
  readonly healed: readonly Snapshot[]
  readonly unreadable: readonly Id[]
}

async function listSnapshots(context: RepairContext, ids: readonly Id[], options: RepairOptions): Promise<Listed> {
  const { snapshots, unreadable: damaged } = await loadSnapshots(context, ids, options.signal)
  const healed: Snapshot[] = []
  const unreadable: Id[] = []
  for (const id of damaged) {
    const snapshot = await healSnapshot(context, id, options)
    if (snapshot === undefined) unreadable.push(id)
    else healed.push(snapshot)
  }
  const all = [...snapshots, ...healed].toSorted((a, b) => a.time.getTime() - b.time.getTime())
  return { snapshots: all, healed, unreadable }
}

async function healSnapshot(
  { storage, cipher, zstd }: RepairContext,
  id: Id,
  { dryRun, signal }: RepairOptions,
): Promise<Snapshot | undefined> {
  const bytes = await restoreFile(storage, fileKey('snapshot', id), { sha256: id, dryRun, signal })
  const opened = bytes && cipher.open(bytes)
  const subject = `snapshot ${shortId(id)}`
  return opened && parseSnapshot(decodeUnpacked(opened, zstd, subject), id, subject)
}

async function loadSnapshots(
  { files }: RepairContext,
  ids: readonly Id[],
  signal: AbortSignal,
): Promise<Pick<Listed, 'snapshots' | 'unreadable'>> {
  const snapshots: Snapshot[] = []
  const unreadable: Id[] = []
  const all = await files.listIds('snapshot')
  await files.loadEach(
    'snapshot',
    ids.length > 0 ? resolveIds(ids, all, 'snapshot') : all,
    (id, json) => {
      try {
        if (json instanceof AppError) throw json
        snapshots.push(parseSnapshot(json, id, `snapshot ${shortId(id)}`))
      } catch (error) {
        if (!isAppError(error, 'damaged') && !isAppError(error, 'storage-not-found')) throw error
        if (error.code === 'damaged') unreadable.push(id)
      }
    },
    signal,
  )
  return { snapshots, unreadable }
}

async function writeRepaired(
  reader: Reader,
  writing: RepairWriting,
  broken: readonly Snapshot[],
  signal: AbortSignal,
): Promise<RepairedSnapshot[]> {
  if (broken.length === 0) return []
  const session = await Session.start(writing)
  try {
    const { known, packs, failure } = session
    const sink = new BlobSink({ known, packs, workers: writing.workers, failure })
    const run = writing.context.version === 1 ? Number.POSITIVE_INFINITY : NODES_A_RUN
    const rewriter = new TreeRewriter(reader, () => new TreeWriter(sink, run), signal)
    const before = (await writing.snapshots.list()).snapshots
    const outcomes: RepairedSnapshot[] = []
    for (const snapshot of broken) {
      throwIfAborted(signal)
      const left = await rewriter.rewrite(snapshot.tree)
      const there = before.find(each => isRepairOf(each, snapshot, left.tree))
      if (left.tree === undefined || there !== undefined) {
        outcomes.push(outcomeOf(snapshot, left, there, 'rewritten-before'))
        continue
      }
      const { tree } = left
      await sink.flush()
      const [saved] = await session.commit([save => saveRepaired(writing, snapshot.id, tree, save)])
      outcomes.push(outcomeOf(snapshot, left, saved, 'rewritten'))
    }
    return outcomes
  } finally {
    await session.end()
  }
}

async function saveRepaired({ files, snapshots }: RepairWriting, id: Id, tree: Id, signal: AbortSignal) {
  const json = await files.load('snapshot', id, signal)
  return await snapshots.saveJson(formatRepaired(json, id, tree, `snapshot ${shortId(id)}`), signal)
}

/** As a run that was made, or killed, before has left it. */
function isRepairOf(other: Snapshot, snapshot: Snapshot, tree: Id | undefined): boolean {
  return (
    other.tree === tree && other.original === (snapshot.original ?? snapshot.id) && other.tags.includes(REPAIRED_TAG)
  )
}

function outcomeOf(
  snapshot: Snapshot,
  { tree, lost, lostCount }: LeftOfTree,
  replacement: Snapshot | undefined,
  outcome: RepairedSnapshot['outcome'],
): RepairedSnapshot {
  const what = tree === undefined ? 'nothing-left' : outcome
  return { id: snapshot.id, snapshot, replacement, outcome: what, lost, lostCount, forgotten: false }
}

function healedSnapshot(snapshot: Snapshot): RepairedSnapshot {
  const nothing = { replacement: undefined, lost: [], lostCount: 0, forgotten: false }
  return { id: snapshot.id, snapshot, outcome: 'healed', ...nothing }
}

function unreadableSnapshot(id: Id): RepairedSnapshot {
  const nothing = { snapshot: undefined, replacement: undefined, lost: [], lostCount: 0 }
  return { id, ...nothing, outcome: 'nothing-left', forgotten: false }
}

/** Packs first: what can be saved of them is not to be left out here. */
async function refuseWhilePacksCanBeRepaired(
  { storage, record }: RepairContext,
  index: BlobIndex,
  signal: AbortSignal,
): Promise<void> {
  const table = new PackTable(index)
  const stored = await listPacks(storage, signal)
  const noted = [...packsOf(await record.load())].filter(pack => table.packs.has(pack))
  const wrong = [...index.packIds()].filter(pack => stored.get(pack) !== table.sizeOf(pack))
  const count = new Set([...noted, ...wrong]).size
  if (count === 0) return
  throw new AppError('damaged', `${count === 1 ? 'a pack is' : `${count} packs are`} damaged or missing`, {
    hint: 'Run "lifeboat repair packs" first: it saves what can be read of them, and brings back what another repository has.',
  })
}

/** What another repository has need not be given up. */
async function refuseWhileOthersHaveIt({ others }: RepairContext, missing: TreeRewriter['missing']): Promise<void> {
  if (missing.length === 0) return
  for await (const { reader } of others?.usable() ?? []) {
    if (!missing.some(({ type, id }) => reader.index.find(type, id))) continue
    throw new AppError('damaged', `${reader.storage.location} has something of what snapshots lack here`, {
      hint: 'Run "lifeboat repair packs" first: it brings that back.',
    })
  }
}

const UNWRITTEN = '0'.repeat(64)

/** In a dry run nothing is stored, and nobody asks for the tree's id. */
function unwrittenTree(): TreeWriting {
  return { add: async () => {}, finish: async () => UNWRITTEN }
}
