import { AppError } from '../../base/errors.ts'
import { lifeOf } from '../../base/process-life.ts'
import type { RunOutcome, RunQuery, RunRecord } from '../../catalog/catalog.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { rebuildFromReports } from './rebuild.ts'

/**
 * `running`: its process lives. `killed`: its process is gone, and did not say how it ended. `unknown`: it has not ended, and
 * its process can't be looked at from here (another host or container).
 */
export type RunState = RunOutcome | 'running' | 'killed' | 'unknown'

export interface ListedRun extends RunRecord {
  readonly state: RunState
}

/** Oldest first, as all lists; of many the newest. */
export async function listRuns(workspace: Workspace, query: RunQuery): Promise<ListedRun[]> {
  await rebuildFromReports(workspace)
  const runs = await workspace.catalog.listRuns(query)
  if (workspace.catalog.isUsable === false) {
    throw new AppError('failed', 'the runs cannot be listed: the catalog cannot be used', {
      hint: 'Mend what the warning about the catalog says.',
    })
  }
  return runs.map(run => ({ ...run, state: stateOf(run) })).toReversed()
}

function stateOf({ end, owner }: RunRecord): RunState {
  if (end !== undefined) return end.outcome
  const life = lifeOf(owner)
  return life === 'living' ? 'running' : life === 'gone' ? 'killed' : 'unknown'
}

/** By the beginning of its id. `not-found`, `ambiguous-id`. */
export async function getRun(workspace: Workspace, id: string): Promise<ListedRun> {
  const hint = 'Run "lifeboat runs" to see which there are.'
  const found = id === '' ? [] : await listRuns(workspace, { id: id.toLowerCase(), limit: 2 })
  const [only] = found
  if (only === undefined) throw new AppError('not-found', `there is no run ${id}`, { hint })
  if (found.length === 1) return only
  throw new AppError('ambiguous-id', `several runs begin with ${id}`, { hint: `Give more of its id. ${hint}` })
}

/**
 * Asks the process of a run to end, as Ctrl-C would: it undoes or leaves whole what it was about. Throws `not-found`,
 * `ambiguous-id`, and `unsupported` for a run that has ended or whose process is not of this machine.
 */
export async function cancelRun(workspace: Workspace, id: string): Promise<ListedRun> {
  const run = await getRun(workspace, id)
  const { state, owner } = run
  if (state !== 'running') throw notRunning(run)
  // Proven just now: the id is that of the very process that began the run.
  process.kill(owner.pid, 'SIGINT')
  return run
}

function notRunning({ id, state, owner }: ListedRun): AppError {
  const short = id.slice(0, 8)
  if (state === 'unknown') {
    return new AppError('unsupported', `run ${short} is of process ${owner.pid} on ${owner.hostname}, not of here`, {
      hint: 'End it there: "lifeboat runs cancel" works on the machine, and in the container, that runs it.',
    })
  }
  return new AppError('unsupported', `run ${short} is not running: ${state}`, {
    hint: `Run "lifeboat runs ${short}" to see how it ended.`,
  })
}
