import { allDone } from '../../base/concurrency.ts'
import type { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { ProgressState } from '../../model/progress.ts'
import { policyTag } from '../../model/recovery-point.ts'
import type { Repository } from '../../repository/index.ts'
import type { Source } from '../../sources/source.ts'
import { rebuildFromSnapshots } from '../runs/rebuild.ts'
import type { Copy } from '../verify/due.ts'
import { unlessSilent } from '../workspace/patience.ts'
import { ordinary, type RecordedRun } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type BackupProgress, type BackupResult, backup } from './backup.ts'
import { type BackupWish, policiesOfPoint, type WishedPoint } from './copies.ts'

export interface CapturedPoint {
  readonly point: WishedPoint
  readonly repository: string
  readonly result: BackupResult
}

export interface FailedPoint {
  /** Why, for each of its repositories. */
  readonly failed: ReadonlyArray<Copy & { readonly error: AppError }>
}

export interface Capturing {
  readonly run: RecordedRun
  /** Why nothing is captured: a hook failed. */
  readonly blocked: AppError | undefined
  /** Repositories that failed in this run. The others go on without them; gets those that fail now. */
  readonly lost: Map<string, AppError>
}

/**
 * Captures a source once, into the first of its repositories that can be written to. One that fails or does not answer
 * gives way to the next; what is wrong with the source is wrong for all of them.
 */
export async function capturePoint(
  workspace: Workspace,
  wish: BackupWish,
  point: WishedPoint,
  { run, blocked, lost }: Capturing,
): Promise<CapturedPoint | FailedPoint> {
  const { source } = point
  const living = point.repositories.filter(name => !lost.has(name))
  const candidates = living.length > 0 ? living : point.repositories
  const failed: Array<Copy & { readonly error: AppError }> = []
  let hopeless = blocked
  for (const [at, repository] of candidates.entries()) {
    const mayWait = at === candidates.length - 1
    const capture = new Capture(workspace, wish, point, run)
    try {
      const result = await attempt(run, { source, repository }, async () => {
        if (hopeless !== undefined) throw hopeless
        const save = (): Promise<BackupResult> => capture.into(repository)
        return await (mayWait ? save() : unlessSilent(workspace, [repository], run.signal, save))
      })
      return { point, repository, result }
    } catch (error) {
      const why = ordinary(run.signal, error)
      failed.push({ source, repository, error: why })
      if (capture.isOfRepository(why)) lost.set(repository, why)
      else hopeless = why
    }
  }
  return { failed }
}

async function attempt(run: RecordedRun, copy: Copy, work: () => Promise<BackupResult>): Promise<BackupResult> {
  return await run.attempt(
    { operation: 'backup', ...copy },
    work,
    ({ complete, snapshot, findings, files, sizeBytes, bytesRead, bytesNew, bytesStored }) => ({
      outcome: complete ? 'done' : 'incomplete',
      snapshot: snapshot.id,
      statistics: { files, sizeBytes, bytesRead, bytesNew, bytesStored },
      findings,
    }),
  )
}

class Capture {
  readonly #workspace: Workspace
  readonly #wish: BackupWish
  readonly #point: WishedPoint
  readonly #run: RecordedRun
  #notOpened: unknown

  constructor(workspace: Workspace, wish: BackupWish, point: WishedPoint, run: RecordedRun) {
    this.#workspace = workspace
    this.#wish = wish
    this.#point = point
    this.#run = run
  }

  /** Else it is the source's. */
  isOfRepository(error: AppError): boolean {
    return error === this.#notOpened || error.code.startsWith('storage-') || OF_REPOSITORY.has(error.code)
  }

  async into(name: string): Promise<BackupResult> {
    const workspace = this.#workspace
    const run = this.#run
    const { source: wanted, type } = this.#point
    // The password's derivation alone takes as long as all the rest.
    const [source, repository] = await allDone(openAhead(workspace, wanted, run), this.#open(name))
    await rebuildFromSnapshots(workspace, { source: wanted, repository: name }, repository)
    return await backup({
      ...run,
      source,
      repository,
      type,
      runId: run.id,
      tags: [...policiesOfPoint(workspace, this.#wish, this.#point).map(policyTag), ...(this.#wish.tags ?? [])],
      host: workspace.host,
      programVersion: workspace.programVersion,
      configuration: workspace.keptConfiguration(name),
      excludePaths: workspace.ownFolders,
      onProgress: progress => run.tell({ kind: 'progress', progress: shown(wanted, progress) }),
    })
  }

  async #open(name: string): Promise<Repository> {
    try {
      return await this.#workspace.repository(name)
    } catch (error) {
      this.#notOpened = error
      throw error
    }
  }
}

const OF_REPOSITORY = new Set<string>(['no-repository', 'repository-locked', 'damaged'])

async function openAhead(workspace: Workspace, name: string, { signal }: RecordedRun): Promise<Source> {
  const source = await workspace.source(name)
  source.prepareCapture?.({ signal })
  return source
}

function shown(source: string, progress: BackupProgress): ProgressState {
  return {
    label: `backup ${source}`,
    done: progress.bytesRead,
    total: progress.totalBytes,
    unit: 'bytes',
    details: [filesOf(progress), `${formatSize(progress.bytesNew)} new`],
  }
}

/** While the end of the walk is not known, the last snapshot tells how far it may be. */
function filesOf({ files, filesBefore = 0, totalBytes }: BackupProgress): string {
  const about = totalBytes === undefined && filesBefore > files ? ` of about ${filesBefore}` : ''
  return `${files}${about} ${files === 1 && about === '' ? 'file' : 'files'}`
}
