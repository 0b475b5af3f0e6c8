import { isOfFuture, type RecoveryPoint, SAFETY_TAG } from '../../model/recovery-point.ts'
import type { PolicySettings } from '../../model/settings.ts'

/** One recovery point, wherever it lives. The fields are those of the nearest copy. */
export interface CopiedPoint extends RecoveryPoint {
  /** Nearest first; this one is the first of them. */
  readonly copies: readonly RecoveryPoint[]
}

/**
 * Copies of one point become one. Points keep their order, copies that of the repositories.
 * @param repositories nearest first
 */
export function joinCopies(points: readonly RecoveryPoint[], repositories: readonly string[]): CopiedPoint[] {
  return [...Map.groupBy(points, ({ key }) => key).values()].flatMap(group => {
    const copies = group.toSorted((a, b) => repositories.indexOf(a.repository) - repositories.indexOf(b.repository))
    const [nearest] = copies
    return nearest === undefined ? [] : [{ ...nearest, copies }]
  })
}

/** How up to date a repository is with one source. */
export interface Freshness {
  readonly repository: string
  /** False: it could not be read, and nothing is known of it. */
  readonly isKnown: boolean
  /** Time of its newest recovery point; undefined: it has none. */
  readonly newest: Date | undefined
  /** So many of those that others have are newer than that, and meant for this one too. */
  readonly behind: number
}

export interface FreshnessQuery {
  readonly policies: ReadonlyMap<string, PolicySettings>
  /** Repositories that could not be read. */
  readonly unknown: readonly string[]
  readonly now: Date
}

export interface SourceFreshness {
  readonly source: string
  readonly repositories: readonly Freshness[]
}

/**
 * For each source that belongs into several of these repositories, by the policies, how old its newest point in each is.
 * @param repositories nearest first
 */
export function freshnessOf(
  points: readonly CopiedPoint[],
  repositories: readonly string[],
  { policies, unknown, now }: FreshnessQuery,
): SourceFreshness[] {
  const past = points.filter(({ time, tags }) => !isOfFuture(time, now) && !tags.includes(SAFETY_TAG))
  return [...Map.groupBy(past, ({ source }) => source)].flatMap(([source, own]) => {
    if (source === undefined) return []
    const named = [...policies.values()].filter(policy => policy.sources.includes(source))
    const wanted = repositories.filter(name => named.some(policy => policy.repositories.includes(name)))
    if (wanted.length < 2) return []
    return [{ source, repositories: wanted.map(name => freshnessIn(name, own, { policies, unknown })) }]
  })
}

/** @param points of one source, oldest first */
export function freshnessIn(
  repository: string,
  points: readonly CopiedPoint[],
  { policies, unknown }: Pick<FreshnessQuery, 'policies' | 'unknown'>,
): Freshness {
  if (unknown.includes(repository)) return { repository, isKnown: false, newest: undefined, behind: 0 }
  const isThere = ({ copies }: CopiedPoint): boolean => copies.some(copy => copy.repository === repository)
  const isMeant = ({ policies: own }: CopiedPoint): boolean =>
    own.length === 0 || own.some(name => policies.get(name)?.repositories.includes(repository))
  const newest = points.findLast(isThere)?.time
  const behind = points.filter(
    point => isMeant(point) && !isThere(point) && (newest === undefined || point.time > newest),
  )
  return { repository, isKnown: true, newest, behind: behind.length }
}
