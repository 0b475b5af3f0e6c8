import { isOfFuture, isSafetyPoint, labelsOf, pointKey, policiesOf } from '../../model/recovery-point.ts'
import type { Snapshot } from '../../repository/index.ts'

export interface MissingQuery {
  readonly source: string
  /** Only this machine's: others look after their own. */
  readonly hostname: string
  /** Those that take the source to the repository that is to be completed. */
  readonly policies: ReadonlySet<string>
  readonly now: Date
}

/**
 * The recovery points of one source that a repository fell behind with: what another one has since the newest that both
 * have. What is older was there, and its own retention let it go. A point that was taken for other policies alone is none
 * of its, nor is what a restore made safe.
 * @param here oldest first
 */
export function missingPoints(here: readonly Snapshot[], there: readonly Snapshot[], query: MissingQuery): Snapshot[] {
  const meant = here.filter(snapshot => isOfSource(snapshot, query) && isMeant(snapshot, query))
  const known = new Set(there.map(pointKey))
  const lastCommon = meant.findLast(snapshot => known.has(pointKey(snapshot)))
  return meant.filter(
    snapshot => !known.has(pointKey(snapshot)) && (lastCommon === undefined || snapshot.time > lastCommon.time),
  )
}

function isOfSource({ tags, hostname }: Snapshot, { source, hostname: own }: MissingQuery): boolean {
  return labelsOf(tags).source === source && hostname === own
}

function isMeant({ tags, time }: Snapshot, { policies, now }: MissingQuery): boolean {
  if (isSafetyPoint(tags) || isOfFuture(time, now)) return false
  const own = policiesOf(tags)
  return own.length === 0 || own.some(name => policies.has(name))
}
