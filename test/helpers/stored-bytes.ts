import type { Storage } from '../../src/storage/storage.ts'

/** What lies in a storage, and what can happen to it. */

export async function keysIn(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys(prefix)) keys.push(key)
  return keys.toSorted()
}

/** All but locks, which come and go. */
export async function allBytes(storage: Storage): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for (const key of await keysIn(storage, '')) {
    if (!key.startsWith('locks/')) all.set(key, (await storage.load(key)).toString('base64'))
  }
  return all
}

export async function biggestPack(storage: Storage): Promise<string> {
  let biggest = { key: '', sizeBytes: 0 }
  for await (const object of storage.list('data/')) if (object.sizeBytes > biggest.sizeBytes) biggest = object
  return biggest.key
}

export const idOf = (key: string): string => key.slice(-64)

export async function change(storage: Storage, key: string, how: (bytes: Buffer) => Buffer): Promise<void> {
  await storage.save(key, how(await storage.load(key)))
}

export const flip =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
