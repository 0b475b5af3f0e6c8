import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import { CONFIG_KEY, FOLDERS, fileKey, idOfKey } from '../format/file-keys.ts'

// Snapshots before index before packs: what was seen first needs what is looked at later, and writers go the other way.
const NAMED = ['snapshot', 'index', 'key', 'lock'] as const

/** Every file of a repository, by kind. */
export interface Inventory {
  readonly hasConfig: boolean
  readonly key: readonly Id[]
  readonly index: readonly Id[]
  readonly snapshot: readonly Id[]
  readonly lock: readonly Id[]
  /** With their sizes in bytes. */
  readonly packs: ReadonlyMap<Id, number>
  /** Keys in folders of the repository that are none of its files. */
  readonly unknown: readonly string[]
}

export async function takeInventory(storage: Storage, signal: AbortSignal): Promise<Inventory> {
  const found = { key: [] as Id[], index: [] as Id[], snapshot: [] as Id[], lock: [] as Id[] }
  const unknown: string[] = []
  for (const type of NAMED) {
    for await (const key of storage.listKeys(FOLDERS[type], { signal })) {
      const id = idOfKey(key)
      if (id !== undefined && key === fileKey(type, id)) found[type].push(id)
      else unknown.push(key)
    }
  }
  const packs = await listPacks(storage, signal, unknown)
  const hasConfig = (await storage.find(CONFIG_KEY, { signal })) !== undefined
  return { hasConfig, ...found, packs, unknown }
}

/** @param unknown gets the keys that are no packs */
export async function listPacks(
  storage: Storage,
  signal: AbortSignal,
  unknown: string[] = [],
): Promise<Map<Id, number>> {
  const packs = new Map<Id, number>()
  for await (const { key, sizeBytes } of storage.list(FOLDERS.pack, { signal })) {
    const id = idOfKey(key)
    if (id !== undefined && key === fileKey('pack', id)) packs.set(id, sizeBytes)
    else unknown.push(key)
  }
  return packs
}
