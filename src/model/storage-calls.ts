/** What a store is asked for, as services bill it. */
export const STORAGE_CALLS = ['saves', 'lists', 'loads', 'finds', 'removes'] as const

export type StorageCall = (typeof STORAGE_CALLS)[number]

/** How many of each. Of a listing each page counts, at a thousand objects a page. */
export type StorageCalls = Readonly<Record<StorageCall, number>>

export const NO_CALLS: StorageCalls = { saves: 0, lists: 0, loads: 0, finds: 0, removes: 0 }

const STATISTIC = {
  saves: 'storageSaves',
  lists: 'storageLists',
  loads: 'storageLoads',
  finds: 'storageFinds',
  removes: 'storageRemoves',
} as const

/** As figures of an attempt; none where nothing was counted. */
export function callStatistics(calls: StorageCalls): Readonly<Record<string, number>> {
  const counted = STORAGE_CALLS.filter(call => calls[call] > 0)
  return Object.fromEntries(counted.map(call => [STATISTIC[call], calls[call]]))
}

/** Back from the figures of an attempt. */
export function callsIn(statistics: Readonly<Record<string, number>>): StorageCalls {
  const of = (call: StorageCall): number => statistics[STATISTIC[call]] ?? 0
  return { saves: of('saves'), lists: of('lists'), loads: of('loads'), finds: of('finds'), removes: of('removes') }
}

export function addCalls(a: StorageCalls, b: StorageCalls): StorageCalls {
  return {
    saves: a.saves + b.saves,
    lists: a.lists + b.lists,
    loads: a.loads + b.loads,
    finds: a.finds + b.finds,
    removes: a.removes + b.removes,
  }
}

export const totalOf = (calls: StorageCalls): number => STORAGE_CALLS.reduce((sum, call) => sum + calls[call], 0)
