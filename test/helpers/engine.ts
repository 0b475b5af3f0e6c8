import { randomBytes, scryptSync } from 'node:crypto'
import type { Clock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Secret } from '../../src/base/secret.ts'
import type { Finding } from '../../src/model/finding.ts'
import type { TreeNode } from '../../src/model/node.ts'
import { Cipher } from '../../src/repository/crypto/cipher.ts'
import { openKeyFile } from '../../src/repository/crypto/password.ts'
import { fileKey } from '../../src/repository/format/file-keys.ts'
import { formatKeyFile, formatKeyMaterial } from '../../src/repository/format/key-file.ts'
import type { ReadableContent, Repository, RepositoryOptions, Snapshot } from '../../src/repository/index.ts'
import { listKeyIds, loadKeyFile } from '../../src/repository/key/key-ring.ts'
import { blobId } from '../../src/repository/pack/blob.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { MemoryStorage } from './memory-storage.ts'

/** Short waits pass at once; long ones (the refreshing of locks) only end when they are told to. */
export class SteppedClock implements Clock {
  #now = Date.UTC(2026, 0, 1)

  now(): Date {
    return new Date(this.#now)
  }

  monotonicMs(): number {
    return this.#now
  }

  /** As if so much time had gone by. */
  advance(ms: number): void {
    this.#now += ms
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms < 10_000) {
      this.#now += ms
      return new Promise(resolve => setImmediate(resolve))
    }
    if (signal?.aborted) return
    return new Promise(resolve => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
}

export const PASSWORD = 'correct horse'

export function engineOptions(clock: Clock, findings: Finding[] = []): RepositoryOptions {
  return {
    password: new Secret(PASSWORD),
    clock,
    random: systemRandom,
    logger: silentLogger,
    cacheDir: undefined,
    workers: 1,
    onFinding: finding => findings.push(finding),
  }
}

/** Replaces the repository's keys by one whose password costs nothing to try: for tests that open it a hundred times. */
export async function useCheapKey(storage: Storage): Promise<void> {
  const [old] = await listKeyIds(storage)
  if (old === undefined) throw new Error('the repository has no key')
  const file = await loadKeyFile(storage, old)
  const master = await openKeyFile(file, new Secret(PASSWORD), 'key')
  if (master === undefined) throw new Error('the password does not fit')
  const salt = randomBytes(64)
  const derived = scryptSync(PASSWORD, salt, 64, { N: 2, r: 1, p: 1 })
  const cipher = new Cipher({
    encrypt: derived.subarray(0, 32),
    macK: derived.subarray(32, 48),
    macR: derived.subarray(48, 64),
  })
  const bytes = formatKeyFile({ ...file, n: 2, r: 1, p: 1, salt, data: cipher.seal(formatKeyMaterial(master)) })
  await storage.save(fileKey('key', blobId(bytes)), bytes)
  await storage.remove(fileKey('key', old))
}

/** A store on a machine whose clock is this one. */
export function memoryStorageOf(clock: Clock): MemoryStorage {
  return new MemoryStorage('memory:', () => clock.now())
}

/** @param clock what the copy stamps its objects with */
export async function copyStorage(from: Storage, clock?: Clock): Promise<MemoryStorage> {
  const copy = clock === undefined ? new MemoryStorage() : memoryStorageOf(clock)
  for await (const key of from.listKeys('')) await copy.save(key, await from.load(key))
  return copy
}

export function contentOf(bytes: Buffer, cut: ReadableContent['cut']): ReadableContent {
  let at = 0
  return {
    sizeBytes: bytes.length,
    cut,
    read: async into => {
      const part = bytes.subarray(at, at + into.length)
      into.set(part)
      at += part.length
      return part.length
    },
  }
}

export const BLOCKS = { kind: 'fixed', blockBytes: 4096 } as const

/** One snapshot with these files, written as one backup. */
export async function backUp(
  repository: Repository,
  files: Readonly<Record<string, Buffer>>,
  signal: AbortSignal = new AbortController().signal,
  options: {
    readonly time?: Date
    readonly tags?: readonly string[]
    readonly hostname?: string
    readonly cut?: ReadableContent['cut']
  } = {},
): Promise<Snapshot> {
  const writing = await repository.startWriting({ signal })
  try {
    const nodes: TreeNode[] = []
    for (const [name, bytes] of Object.entries(files)) {
      const { content, sizeBytes } = await writing.writeContent(contentOf(bytes, options.cut ?? BLOCKS))
      nodes.push({ name, type: 'file', mode: 0o600, mtimeNs: 0n, uid: 0, gid: 0, content, sizeBytes })
    }
    const subtree = await writing.saveTree(nodes)
    const folder: TreeNode = { name: 'files', type: 'dir', mode: 0o700, mtimeNs: 0n, uid: 0, gid: 0, subtree }
    const tree = await writing.saveTree([folder])
    return await writing.saveSnapshot({
      time: options.time ?? new Date(),
      tree,
      paths: ['/files'],
      hostname: options.hostname ?? 'host',
      username: 'user',
      tags: options.tags ?? [],
    })
  } finally {
    await writing.abort()
  }
}

/** All files of a snapshot made by `backUp`. */
export async function readBack(repository: Repository, snapshot: Snapshot): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {}
  for (const folder of await repository.loadTree(snapshot.tree)) {
    for (const node of await repository.loadTree(folder.subtree ?? '')) {
      const parts: Buffer[] = []
      for await (const part of repository.readContent(node.content ?? [])) parts.push(part)
      files[node.name] = Buffer.concat(parts)
    }
  }
  return files
}
