import { formatDuration } from '../../base/durations.ts'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { touches } from '../../model/incomplete.ts'
import type { Id } from '../../model/node.ts'
import type { ArchivedPack, PackArchive, Repository, Snapshot } from '../../repository/index.ts'
import { MANIFEST_FOLDER, SnapshotTree, sourceFolder } from '../browse/snapshot-tree.ts'
import { counted } from '../report/wording.ts'
import type { Run } from '../workspace/run.ts'

/** Thawing takes hours; each look costs a request for a thousand packs. */
const LOOK_EVERY_MS = 10 * 60_000

/** Packs of one repository that cannot be read now. */
export interface ArchivedPacks {
  /** The repository's name in the configuration. */
  readonly repository: string
  readonly packs: readonly ArchivedPack[]
}

/**
 * The packs that have to be thawed before a snapshot can be read; of some paths only their content and the manifest's. None
 * where the storage archives nothing.
 */
export async function archivedFor(
  repository: Pick<Repository, 'archive' | 'loadTree'>,
  snapshot: Snapshot,
  include: readonly string[],
  signal: AbortSignal,
): Promise<readonly ArchivedPack[]> {
  const { archive } = repository
  if (archive === undefined) return []
  return await archive.findNeeded(contentOf(repository, snapshot, include), signal)
}

/** Is what tells of a snapshot among the data that is archived? So it is in copies. */
export async function isManifestArchived(
  repository: Pick<Repository, 'archive' | 'loadTree'>,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<boolean> {
  const needed = await repository.archive?.findNeeded(ownContent(new SnapshotTree(repository, snapshot.tree)), signal)
  return needed !== undefined && needed.length > 0
}

/** Trees are never archived. */
async function* contentOf(
  repository: Pick<Repository, 'loadTree'>,
  snapshot: Snapshot,
  include: readonly string[],
): AsyncGenerator<Id> {
  const tree = new SnapshotTree(repository, snapshot.tree)
  const root = await tree.findNode(sourceFolder(snapshot))
  yield* ownContent(tree)
  if (root === undefined) return
  for await (const { path, node } of tree.walk(root)) {
    if (include.length === 0 || touches(path, include)) yield* node.content ?? []
  }
}

async function* ownContent(tree: SnapshotTree): AsyncGenerator<Id> {
  const folder = await tree.findNode(MANIFEST_FOLDER)
  if (folder === undefined) return
  for await (const { node } of tree.walk(folder)) yield* node.content ?? []
}

/** For a plan: told before, and no obstacle. */
export function archivedFinding({ repository, packs }: ArchivedPacks): Finding {
  const asked = packs.filter(({ isThawing }) => isThawing).length
  const done = asked === packs.length ? '; all of them were asked for already' : ''
  return {
    severity: 'warning',
    code: 'packs-archived',
    subject: `repository ${repository}`,
    message: `${inWords(packs)} that are needed ${packs.length === 1 ? 'is' : 'are'} archived, and can be read about ${longest(packs)} after they are asked for${done}`,
    hint: 'Carried out, the restore asks the service for them and ends; the same command brings everything back then. With --wait it waits.',
  }
}

export interface ThawRequest extends ArchivedPacks {
  readonly archive: PackArchive
  /** Until all of them can be read; else it ends with `storage-archived`. */
  readonly wait: boolean
  /** What to type then: `Run the same restore again then`. */
  readonly again: string
}

/** Asks for packs. Returns when they can be read, or throws `storage-archived`, which says when that will be about. */
export async function thaw(request: ThawRequest, { signal, clock, tell }: Run): Promise<void> {
  const { archive, repository, packs, wait } = request
  if (packs.length === 0) return
  const askedAt = clock.now()
  await archive.thaw(packs, {
    signal,
    onProgress: (done, total) =>
      tell({ kind: 'progress', progress: { label: `thaw ${repository}: ask`, done, total, unit: 'items' } }),
  })
  if (!wait) throw notYet(request, askedAt)
  for (let left = packs; left.length > 0; ) {
    const done = packs.length - left.length
    tell({ kind: 'progress', progress: { label: `thaw ${repository}`, done, total: packs.length, unit: 'items' } })
    await clock.sleep(LOOK_EVERY_MS, signal)
    throwIfAborted(signal)
    left = await archive.stillArchived(left, signal)
  }
}

function notYet({ repository, packs, again }: ThawRequest, askedAt: Date): AppError {
  const readyAt = new Date(askedAt.getTime() + Math.max(...packs.map(({ thawMs }) => thawMs)))
  const message = `${inWords(packs)} of repository ${repository} ${packs.length === 1 ? 'is' : 'are'} archived, and asked for now: ready in about ${longest(packs)}, at ${formatTime(readyAt)}`
  return new AppError('storage-archived', message, {
    hint: `${again}, or add --wait to wait for them.`,
    context: { repository, packs: packs.length, bytes: bytesOf(packs), readyAt: readyAt.toISOString() },
  })
}

const bytesOf = (packs: readonly ArchivedPack[]): number => packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
const inWords = (packs: readonly ArchivedPack[]): string =>
  `${counted(packs.length, 'pack')} (${formatSize(bytesOf(packs))})`
const longest = (packs: readonly ArchivedPack[]): string =>
  formatDuration(Math.max(...packs.map(({ thawMs }) => thawMs)))
