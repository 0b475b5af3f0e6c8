import { throwIfAborted } from '../../base/errors.ts'
import { addCalls, callsIn, NO_CALLS, type StorageCalls, totalOf } from '../../model/storage-calls.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface Stored {
  readonly objects: number
  readonly bytes: number
}

/** What a repository takes of its storage, in what services bill. No money: prices differ by service, region and month. */
export interface StorageCost extends Stored {
  /** Its name in the configuration. */
  readonly repository: string
  /** By what they are: `data`, `index`, `snapshots`, ...: the folder of the repository that they lie in. */
  readonly kinds: ReadonlyArray<Stored & { readonly kind: string }>
  /** By the class that they lie in; empty where the storage tells none. */
  readonly classes: ReadonlyArray<Stored & { readonly storageClass: string }>
  /** An estimate: what recorded runs of this machine asked for. Undefined where none of them was counted. */
  readonly requests: RequestsADay | undefined
}

export interface RequestsADay {
  /** So many days, at least one, were looked at. */
  readonly days: number
  readonly runs: number
  readonly perDay: StorageCalls
}

const DAY_MS = 24 * 3_600_000
const MOST_DAYS = 30
/** More than anybody's runs of so many days. */
const MOST_RUNS = 10_000

/** Lists all of a storage once. Needs no password. */
export async function costOf(workspace: Workspace, repository: string, signal: AbortSignal): Promise<StorageCost> {
  const storage = await workspace.openStorage(repository)
  try {
    const [kinds, classes] = [new Tally(), new Tally()]
    for await (const { key, sizeBytes, storageClass } of storage.list('', { signal })) {
      throwIfAborted(signal)
      kinds.add(key.split('/', 1)[0] ?? key, sizeBytes)
      if (storageClass !== undefined) classes.add(storageClass, sizeBytes)
    }
    return {
      repository,
      ...kinds.all,
      kinds: kinds.list().map(([kind, stored]) => ({ kind, ...stored })),
      classes: classes.list().map(([storageClass, stored]) => ({ storageClass, ...stored })),
      requests: await requestsOf(workspace, repository),
    }
  } finally {
    await storage.close()
  }
}

async function requestsOf({ catalog, clock }: Workspace, repository: string): Promise<RequestsADay | undefined> {
  const now = clock.now().getTime()
  const runs = await catalog.listRuns({ limit: MOST_RUNS })
  const attempts = runs
    .flatMap(run => run.attempts)
    .filter(each => each.repository === repository && now - each.startedAt.getTime() <= MOST_DAYS * DAY_MS)
    .map(({ startedAt, statistics }) => ({ startedAt, calls: callsIn(statistics) }))
    .filter(({ calls }) => totalOf(calls) > 0)
  if (attempts.length === 0) return undefined
  const first = Math.min(...attempts.map(({ startedAt }) => startedAt.getTime()))
  const days = Math.max(1, (now - first) / DAY_MS)
  const all = attempts.reduce((sum, { calls }) => addCalls(sum, calls), NO_CALLS)
  const perDay = (count: number): number => Math.round((count / days) * 10) / 10
  return {
    days: Math.round(days * 10) / 10,
    runs: attempts.length,
    perDay: {
      saves: perDay(all.saves),
      lists: perDay(all.lists),
      loads: perDay(all.loads),
      finds: perDay(all.finds),
      removes: perDay(all.removes),
    },
  }
}

class Tally {
  readonly #stored = new Map<string, Stored>()

  add(name: string, bytes: number): void {
    const known = this.#stored.get(name) ?? { objects: 0, bytes: 0 }
    this.#stored.set(name, { objects: known.objects + 1, bytes: known.bytes + bytes })
  }

  /** The largest first. */
  list(): Array<[string, Stored]> {
    return [...this.#stored].toSorted(([, a], [, b]) => b.bytes - a.bytes)
  }

  get all(): Stored {
    const each = [...this.#stored.values()]
    return {
      objects: each.reduce((sum, { objects }) => sum + objects, 0),
      bytes: each.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }
}
