import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { isPart } from '../../model/manifest.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { CopyAnswer, CopyRows, QuerySandbox, Source } from '../../sources/source.ts'
import { choosePoint } from '../restore/recovery.ts'
import { restore } from '../restore/restore.ts'
import { openSnapshotReader } from '../restore/snapshot-reader.ts'
import type { RestoreWish } from '../restore/wish.ts'
import type { ChosenSnapshot } from '../snapshots/choose-snapshot.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { requireSource } from '../workspace/names.ts'
import { type Caller, lookAround, type Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What somebody wants to know of a recovery point. All of it is plain data. */
export interface Query extends Pick<RestoreWish, 'point' | 'repository' | 'host'> {
  readonly source: string
  /** Of a recovery point of several: the database that is meant. */
  readonly database?: string | undefined
  /** One statement that reads. */
  readonly sql: string
  /** At most so many rows. */
  readonly limit: number
  /** For the statement alone; restoring the copy takes what it takes. */
  readonly timeoutMs: number
}

export interface QueryAnswer extends CopyRows {
  readonly chosen: ChosenSnapshot
  /** It was asked of a masked copy, as the source says of its test copies. */
  readonly masked: boolean
}

/**
 * Queries a recovery point through a temporary copy that nothing else knows of and that is removed after. Throws
 * `unsupported` for sources whose copies nobody may ask, `failed` for a statement that is refused or wrong.
 */
export async function query(workspace: Workspace, asked: Query, caller: Caller): Promise<QueryAnswer> {
  requireSource(workspace, asked.source)
  return await lookAround(workspace, caller, async run => {
    const chosen = await choosePoint(workspace, asked, run)
    // A private folder of this run: a killed one's goes with the next run.
    const target = join(run.scratchDir, 'copy.db')
    const source = await sourceOfSnapshot(workspace, run, chosen.snapshot, target)
    requireAnswers(source, chosen)
    const file = workspace.settings.sources.get(asked.source)?.restore?.mask
    const mask = file === undefined ? undefined : await workspace.loadMask(file)
    const sandbox = await openSandbox(source, chosen, asked, run)
    let answer: CopyAnswer | undefined
    const result = await restore({
      ...run,
      ...chosen,
      source,
      target: sandbox?.target ?? target,
      // Of a server that is new, only its own empty databases can be in the way.
      force: sandbox !== undefined,
      selection: sandbox?.selection,
      delta: false,
      // Every block is checked on its way; what was wrong with the database when it was captured may be the question.
      checks: false,
      include: [],
      mask,
      onRestored: async copy => {
        if (sandbox === undefined) answer = await copy.query?.(asked)
        return []
      },
      onProgress: ({ totalBytes, sizeBytes }) => tellProgress(run, source.name, totalBytes, sizeBytes),
    })
    if (sandbox) {
      if (result.leftOut) for (const finding of result.findings) run.tell({ kind: 'finding', finding })
      answer = await sandbox.query(asked)
    }
    if (answer === undefined) throw new Error(`the restored copy of ${source.name} was not asked`)
    if ('problem' in answer) throw refused(answer.problem)
    return { ...answer, chosen, masked: mask !== undefined }
  })
}

/** Before what it needs is restored: to find out then that it is not there would take as long as the restore. */
async function openSandbox(
  source: Source,
  { contents, snapshot }: ChosenSnapshot,
  { database }: Query,
  run: Run,
): Promise<QuerySandbox | undefined> {
  if (source.openQuerySandbox === undefined) {
    if (database === undefined) return undefined
    throw new AppError('usage', `source ${source.name} is a single database`, { hint: 'Leave --database out.' })
  }
  const reader = await openSnapshotReader({ contents, snapshot, signal: run.signal })
  return run.closeLater(await source.openQuerySandbox({ ...run, snapshot: reader, database }))
}

function requireAnswers({ name, kind, traits }: Source, { snapshot }: ChosenSnapshot): void {
  const id = snapshot.id.slice(0, 8)
  if (traits.queries === 'none') {
    throw new AppError('unsupported', `source ${name} is of kind ${kind}, which does not understand SQL`, {
      hint: `Look into it with: lifeboat ls ${id}`,
    })
  }
  if (traits.queries === 'trusted') {
    throw new AppError(
      'unsupported',
      `source ${name} cannot be queried: on a server of kind ${kind}, a statement could reach more than the copy`,
      {
        hint: `Restore it to another place and query it there: lifeboat restore ${name} ${id} --to PLACE`,
      },
    )
  }
  const { type } = labelsOf(snapshot.tags)
  if (!isPart(type)) return
  throw new AppError('unsupported', `snapshot ${id} is of type ${type}, which is only a part of a database`, {
    hint: `Take one of type full: lifeboat snapshots ${name}`,
  })
}

function refused(problem: string): AppError {
  return new AppError('failed', `the query failed: ${problem}`, {
    hint: 'Write one statement that only reads, for the tables of this copy.',
  })
}

function tellProgress(run: Run, source: string, done: number, total: number | undefined): void {
  const label = `restore ${source}`
  run.tell({
    kind: 'progress',
    progress: { label, done, total, unit: 'bytes', details: [`${formatSize(done)} for a temporary copy`] },
  })
}
