import { AppError } from '../../base/errors.ts'
import { pointKey } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { type CopyResult, copyBetween } from '../copy/copy-between.ts'
import type { CopyAttempt } from '../copy/copy-repositories.ts'
import type { Copy } from '../verify/due.ts'
import { unlessSilent } from '../workspace/patience.ts'
import { ordinary, type RecordedRun } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { CapturedPoint } from './capture-point.ts'
import { type BackupWish, policyNamesOf } from './copies.ts'
import { missingPoints } from './missing-points.ts'

/** A point in a repository that it was not captured into. */
export type Arrival = Copy & ({ readonly from: string; readonly snapshot: Snapshot } | { readonly error: AppError })

export interface SpreadPoints {
  /** One for each point and each of its other repositories. */
  readonly arrivals: readonly Arrival[]
  readonly copies: readonly CopyAttempt[]
}

/**
 * Brings what was captured to the other repositories, and to each what it fell behind with before. They are written to side
 * by side: one that is slow, or does not answer, holds no other one up. What it lacks then is brought by the next backup.
 * @param lost repositories that failed before: nothing is tried with them again
 */
export async function spreadPoints(
  workspace: Workspace,
  wish: BackupWish,
  captured: readonly CapturedPoint[],
  { run, lost }: { readonly run: RecordedRun; readonly lost: Map<string, AppError> },
): Promise<SpreadPoints> {
  const names = [...new Set(captured.flatMap(({ point }) => point.repositories))]
  const spreading = new Spreading(workspace, wish, captured, { run, lost })
  const arrivals = await sideBySide(names, name => spreading.bringNewTo(name))
  await sideBySide(names, name => spreading.completeFromOthers(name))
  return { arrivals: arrivals.flat(), copies: spreading.copies }
}

class Spreading {
  readonly copies: CopyAttempt[] = []
  readonly #workspace: Workspace
  readonly #wish: BackupWish
  readonly #captured: readonly CapturedPoint[]
  readonly #run: RecordedRun
  readonly #lost: Map<string, AppError>
  /** What each held before anything was brought. */
  readonly #lists = new Map<string, readonly Snapshot[]>()
  readonly #brought = new Map<string, Snapshot[]>()

  constructor(
    workspace: Workspace,
    wish: BackupWish,
    captured: readonly CapturedPoint[],
    { run, lost }: { readonly run: RecordedRun; readonly lost: Map<string, AppError> },
  ) {
    this.#workspace = workspace
    this.#wish = wish
    this.#captured = captured
    this.#run = run
    this.#lost = lost
  }

  /** What was captured into others, with all that they have more than this one. */
  async bringNewTo(to: string): Promise<Arrival[]> {
    const due = this.#captured.filter(({ point, repository }) => repository !== to && point.repositories.includes(to))
    const arrivals: Arrival[] = []
    for (const [from, points] of Map.groupBy(due, ({ repository }) => repository)) {
      arrivals.push(...(await this.#bring(from, to, points)))
    }
    return arrivals
  }

  /** What only other repositories have, from a time when they were captured into in place of the usual one. */
  async completeFromOthers(to: string): Promise<void> {
    const shared = this.#captured.filter(({ point }) => point.repositories.includes(to))
    const others = new Set(shared.flatMap(({ point }) => point.repositories))
    for (const from of others) {
      if (from === to || this.#lost.has(from) || this.#lost.has(to)) continue
      const points = shared.filter(({ point, repository }) => repository !== from && point.repositories.includes(from))
      const missing = points.flatMap(captured => {
        const known = [...this.#listed(to), ...this.#listed(captured.repository), ...(this.#brought.get(to) ?? [])]
        return this.#missing(captured, to, this.#listed(from), known)
      })
      if (missing.length > 0) await this.#complete(from, to, points, missing)
    }
  }

  async #bring(from: string, to: string, points: readonly CapturedPoint[]): Promise<Arrival[]> {
    const copying = this.#recordCopy(from, to, points, async () => {
      const [here, there] = [await this.#list(from), await this.#list(to)]
      const fresh = points.map(({ result }) => result.snapshot)
      const old = points.flatMap(captured => this.#missing(captured, to, here, there))
      const ids = new Set(fresh.map(({ id }) => id))
      return [...old.filter(({ id }) => !ids.has(id)), ...fresh]
    })
    copying.catch(() => {})
    return await sideBySide(points, async ({ point: { source }, result: { snapshot } }) => {
      try {
        const arrived = await this.#run.attempt(
          { operation: 'copy', source, repository: to },
          async () => this.#arrived(to, snapshot, await copying),
          ({ id }) => ({ outcome: 'done', snapshot: id, statistics: {}, findings: [] }),
        )
        return { source, repository: to, from, snapshot: arrived }
      } catch (error) {
        return { source, repository: to, error: ordinary(this.#run.signal, error) }
      }
    })
  }

  async #complete(
    from: string,
    to: string,
    points: readonly CapturedPoint[],
    missing: readonly Snapshot[],
  ): Promise<void> {
    const copying = this.#recordCopy(from, to, points, async () => missing)
    try {
      await this.#run.attempt(
        { operation: 'copy', source: undefined, repository: to },
        () => copying,
        ({ complete, findings }) => ({ outcome: complete ? 'done' : 'incomplete', statistics: {}, findings }),
      )
    } catch (error) {
      ordinary(this.#run.signal, error)
    }
  }

  /** Copies what `choose` gives; among `copies` is how it went. Throws `copy-later`. */
  async #recordCopy(
    from: string,
    to: string,
    points: readonly CapturedPoint[],
    choose: () => Promise<readonly Snapshot[]>,
  ): Promise<CopyResult> {
    const workspace = this.#workspace
    const run = this.#run
    const sources = [...new Set(points.map(({ point }) => point.source))]
    const job = { from, to, sources }
    try {
      const known = this.#lost.get(to)
      if (known !== undefined) throw known
      const result = await unlessSilent(workspace, [to, from], run.signal, async () => {
        const origin = { name: from, repository: await workspace.repository(from) }
        const goal = { name: to, repository: await workspace.repository(to) }
        const wanted = await choose()
        const logsOf = sources.filter(source => workspace.hasLog(source))
        const copied = await copyBetween(workspace, { origin, goal, wanted, logsOf }, run)
        this.#brought.set(to, [...(this.#brought.get(to) ?? []), ...wanted])
        return copied
      })
      this.copies.push({ ...job, result })
      return result
    } catch (error) {
      const why = ordinary(run.signal, error)
      this.#lost.set(to, why)
      const later = copyLater(to, why)
      this.copies.push({ ...job, error: later })
      throw later
    }
  }

  async #arrived(to: string, snapshot: Snapshot, result: CopyResult): Promise<Snapshot> {
    const copied = result.copied.find(({ from }) => from === snapshot.id)
    if (copied !== undefined) return copied.snapshot
    if (result.leftOut.includes(snapshot.id)) throw damagedAlready(to)
    // Another process was faster.
    const { snapshots } = await (await this.#workspace.repository(to)).listSnapshots()
    const found = snapshots.find(each => pointKey(each) === pointKey(snapshot))
    return found ?? Promise.reject(copyLater(to, new AppError('snapshot-not-found', 'it was removed there just now')))
  }

  #missing(
    { point: { source } }: CapturedPoint,
    to: string,
    here: readonly Snapshot[],
    there: readonly Snapshot[],
  ): Snapshot[] {
    const { host, clock } = this.#workspace
    const policies = new Set(policyNamesOf(this.#workspace, this.#wish, { source, repository: to }))
    return missingPoints(here, there, { source, hostname: host.hostname, policies, now: clock.now() })
  }

  async #list(name: string): Promise<readonly Snapshot[]> {
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    const repository: Repository = await this.#workspace.repository(name)
    const { snapshots } = await repository.listSnapshots()
    this.#lists.set(name, snapshots)
    return snapshots
  }

  #listed(name: string): readonly Snapshot[] {
    return this.#lists.get(name) ?? []
  }
}

/** Goes through all of them at once, to the end of each; then throws the first failure. */
async function sideBySide<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const settled = await Promise.allSettled(items.map(work))
  return settled.map(each => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
}

function copyLater(to: string, { code, message, hint }: AppError): AppError {
  return new AppError('copy-later', `${to} does not have it yet: ${message}`, {
    hint: `${hint === undefined ? '' : `${hint} `}The next backup brings what is missing there; so does: lifeboat copy --to ${to}`,
    context: { repository: to, cause: code },
  })
}

function damagedAlready(to: string): AppError {
  return new AppError(
    'damaged',
    `${to} does not have it: data that was just stored is damaged where it was captured into`,
    {
      hint: 'Run "lifeboat check --read-data": the disk of that repository is probably failing.',
    },
  )
}
