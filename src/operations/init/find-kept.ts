import { AppError } from '../../base/errors.ts'
import { isOfFuture, labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import { repoFlag } from '../../model/repository-url.ts'
import type { Snapshot } from '../../repository/index.ts'
import { loadKeptConfiguration } from '../browse/snapshot-tree.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface KeptConfiguration {
  /** Whoever could write to the repository may have written it. */
  readonly text: string
  readonly snapshot: Pick<Snapshot, 'id' | 'time' | 'hostname'>
}

/**
 * The configuration that was kept with the newest snapshot of a host: the one that is named, else this one, else the only
 * one. `usage` where it could be of several, `snapshot-not-found` where none is kept.
 */
export async function findKeptConfiguration(
  workspace: Workspace,
  name: string,
  host: string | undefined,
): Promise<KeptConfiguration> {
  const repository = await workspace.repository(name)
  const { snapshots } = await repository.listSnapshots()
  const ours = snapshots.filter(({ tags }) => labelsOf(tags).source !== undefined)
  const now = workspace.clock.now()
  const past = ours.filter(({ time }) => !isOfFuture(time, now))
  const chosen = ofOneHost(past.length > 0 ? past : ours, host, workspace.host.hostname)
  // A restore keeps none with what it makes safe.
  for (const snapshot of chosen.toReversed()) {
    const text = await loadKeptConfiguration(repository, snapshot)
    if (text !== undefined) return { text, snapshot }
  }
  const newest = chosen.at(-1)
  throw new AppError('snapshot-not-found', `no snapshot in ${name} keeps a configuration`, {
    hint:
      newest === undefined
        ? `See what is in it with: lifeboat snapshots${repoFlag(name)}`
        : `Restore without one: lifeboat restore - ${newest.id.slice(0, SHORT_ID_DIGITS)} --to PATH${repoFlag(name)}`,
  })
}

function ofOneHost(snapshots: readonly Snapshot[], named: string | undefined, own: string): readonly Snapshot[] {
  const hosts = [...new Set(snapshots.map(({ hostname }) => hostname))]
  const wanted = named ?? (hosts.includes(own) ? own : hosts.length <= 1 ? hosts[0] : undefined)
  if (wanted === undefined || (named !== undefined && !hosts.includes(named))) {
    const message =
      named === undefined ? 'several hosts keep their configuration there' : `nothing there is of host ${named}`
    throw new AppError('usage', message, { hint: `Name one with --host: ${hosts.join(', ')}.`, context: { hosts } })
  }
  return snapshots.filter(({ hostname }) => hostname === wanted)
}
