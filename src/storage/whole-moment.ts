/** What a repository keeps. Prune removes index files and packs, in a row. */
const PRUNED = /^(?:data|index)\//
/** Removals that are no further apart belong together: prune lets others have their turn in between. */
const SAME_RUN_MS = 10 * 60_000

/** Is a removal of this key one that prune makes? */
export function isPruned(key: string): boolean {
  return PRUNED.test(key)
}

/** A row of removals, first and last. */
export interface RemovalRun {
  readonly from: Date
  readonly to: Date
}

/** @param removals the moments in which something was removed that prune removes, in no order */
export function removalRuns(removals: readonly Date[]): RemovalRun[] {
  const runs: Array<{ from: Date; to: Date }> = []
  for (const at of removals.toSorted((a, b) => Number(a) - Number(b))) {
    const last = runs.at(-1)
    if (last !== undefined && Number(at) - Number(last.to) <= SAME_RUN_MS) last.to = at
    else runs.push({ from: at, to: at })
  }
  return runs
}

export interface Moment {
  readonly at: Date
  /** Why it is not the one that was asked for. */
  readonly before: RemovalRun | undefined
}

/**
 * The moment that was asked for, or, in the middle of a row of removals, the last one before it: what a half-finished
 * prune leaves may name packs that are gone.
 */
export function wholeMoment(asked: Date, runs: readonly RemovalRun[]): Moment {
  const inside = runs.find(({ from, to }) => from <= asked && asked < to)
  return inside === undefined
    ? { at: asked, before: undefined }
    : { at: new Date(Number(inside.from) - 1), before: inside }
}
