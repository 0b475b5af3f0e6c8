import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, messageOf, throwIfAborted } from '../../../base/errors.ts'
import { isPart } from '../../../model/manifest.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { ComparedTable } from '../../../model/row-comparison.ts'
import type { ComparedSide, ComparingRequest } from '../../comparing.ts'
import type { Side } from '../../row-matcher.ts'
import type { SnapshotReader } from '../../snapshot-reader.ts'
import { closeDatabaseFile, openDatabaseFile } from '../database-file.ts'
import { isFault, sourceError } from '../faults.ts'
import { copyAside, type Held, holdInstant, tidyUp } from '../instant.ts'
import { Session, SessionFault } from '../session.ts'

/**
 * Recovery points are copied into the scratch folder. What is live is read where it is, in one read transaction, and only
 * copied where a reader would keep the application from writing.
 */
export async function compareSqlite(request: ComparingRequest, own: string): Promise<readonly ComparedTable[]> {
  throwIfAborted(request.signal)
  const session = new Session(request.signal)
  const copies: string[] = []
  const copied = async (side: Side): Promise<string> => {
    const path = join(request.scratchDir, `compare-${side}.db`)
    copies.push(path)
    await copyOut(request, request[side], path)
    return path
  }
  const [live, path] = liveSide(request, own)
  try {
    if (live === undefined) {
      const [before, after] = [await copied('before'), await copied('after')]
      await session.call('openPrivate', { path: before })
      return await compareTables(request, session, { other: after, main: 'before' })
    }
    const other = await copied(live === 'before' ? 'after' : 'before')
    return await withInstant(request, session, path, copies, () =>
      compareTables(request, session, { other, main: live }),
    )
  } catch (error) {
    throw isFault(error) ? sourceError(error, path) : error
  } finally {
    await session.close()
    for (const copy of copies) for (const end of ['', '-wal', '-shm', '-journal']) await rm(copy + end, { force: true })
  }
}

function liveSide({ before, after }: ComparingRequest, own: string): [Side | undefined, string] {
  if ('target' in before) return ['before', before.target ?? own]
  return 'target' in after ? ['after', after.target ?? own] : [undefined, own]
}

/** While the session sees the file at `path` as of one instant. */
async function withInstant<T>(
  { scratchDir }: ComparingRequest,
  session: Session,
  path: string,
  copies: string[],
  work: () => Promise<T>,
): Promise<T> {
  const file = await openDatabaseFile(path)
  try {
    const held: Held = await holdInstant(file, session)
    // Without a write-ahead log, writers wait for every reader.
    if (held.hold.kind !== 'wal') copies.push(await copyAside(held, session, scratchDir))
    const result = await work()
    await tidyUp(held, session)
    return result
  } finally {
    await closeDatabaseFile(file)
  }
}

async function compareTables(
  { signal, scratchDir, selects = () => true, listRows = 0, onTable }: ComparingRequest,
  session: Session,
  opening: { readonly other: string; readonly main: Side },
): Promise<ComparedTable[]> {
  const tables = await openComparison(session, opening)
  const compared: ComparedTable[] = []
  for (const table of tables.filter(selects)) {
    throwIfAborted(signal)
    onTable?.(table)
    compared.push(await session.call('compareTable', { table, scratchDir, listRows }))
  }
  return compared
}

async function openComparison(session: Session, opening: { readonly other: string; readonly main: Side }) {
  try {
    return await session.call('openComparison', opening)
  } catch (error) {
    if (!(error instanceof SessionFault)) throw error
    throw new AppError('unsupported', `the two databases cannot be compared: ${messageOf(error)}`, {
      cause: error,
      hint: 'Query each of them: lifeboat query SOURCE POINT "SELECT ...".',
    })
  }
}

async function copyOut({ signal }: ComparingRequest, side: ComparedSide, path: string): Promise<void> {
  if (!('snapshot' in side)) throw new Error('only one side can be live')
  const node = await findDatabase(side.snapshot)
  throwIfAborted(signal)
  await (await open(path, 'wx', 0o600)).close()
  await side.snapshot.restoreFiles([{ node, path, delta: false }])
}

async function findDatabase(snapshot: SnapshotReader): Promise<TreeNode> {
  const nodes: TreeNode[] = []
  for await (const { node } of snapshot.entries()) if (node.type === 'file') nodes.push(node)
  const [only] = nodes
  const type = snapshot.manifest?.type
  if (only && nodes.length === 1 && !isPart(type)) return only
  const what = isPart(type) ? `holds ${type} only, as SQL` : 'is not of one SQLite database'
  throw new AppError('unsupported', `snapshot ${snapshot.id.slice(0, 8)} ${what}, and its rows cannot be compared`, {
    hint: 'Choose a snapshot of type full, incremental or differential; see: lifeboat snapshots',
  })
}
