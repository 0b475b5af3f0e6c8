import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { forEachLimit } from '../../base/concurrency.ts'
import { messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import { parseWalFileName } from '../../model/wal.ts'
import type { WalStore } from '../../repository/index.ts'
import { fileState } from './note-place.ts'
import type { WalSpool } from './spool.ts'
import { readWalFile, requireWalName } from './wal-file.ts'

export interface WalPush {
  /** Every one of them gets the file. Not asked for when a note says that the file is stored. */
  readonly openStores: () => Promise<readonly WalStore[]>
  /** The file, absolute. */
  readonly path: string
  /** Of the cluster that this archive is for; undefined: as the file says. */
  readonly systemIdentifier: string | undefined
  readonly spool: WalSpool | undefined
  readonly logger: Logger
  readonly signal: AbortSignal
}

export interface WalPushResult {
  readonly name: string
  readonly outcome: 'stored' | 'same'
  /** Files stored before PostgreSQL asked for it. */
  readonly ahead: number
}

/** So many waiting files are stored in one go. While two are compressed, which takes a core each, one is read or written. */
const AHEAD = 64
const AT_ONCE = 3

/**
 * Stores a log file in every repository; when this resolves it is durable in all. Then it stores others that wait, and
 * leaves a note of each: PostgreSQL asks for them one by one, and gets its answer at once.
 */
export async function pushWal(request: WalPush): Promise<WalPushResult> {
  const { path, spool } = request
  const { name } = requireWalName(path)
  if (await spool?.takeNote(path, name)) return { name, outcome: 'same', ahead: 0 }
  const stores = await request.openStores()
  const ahead = spool === undefined ? [] : await listWaiting(path, name)
  const memory = new SharedMemory()
  let outcome: 'stored' | 'same' = 'same'
  let stored = 0
  await forEachLimit([name, ...ahead], AT_ONCE, async next => {
    if (next === name) {
      outcome = await store(request, stores, path, memory)
      return
    }
    try {
      const other = join(dirname(path), next)
      const state = await fileState(other)
      await store(request, stores, other, memory)
      await spool?.leaveNote(next, state)
      stored++
    } catch (error) {
      // It will be asked for by itself, and then its failure is said.
      request.logger.debug(`not stored ahead: ${next}`, { reason: messageOf(error) })
    }
  })
  return { name, outcome, ahead: stored }
}

async function store(
  request: WalPush,
  stores: readonly WalStore[],
  path: string,
  memory: SharedMemory,
): Promise<'stored' | 'same'> {
  const content = await readWalFile(path, request.systemIdentifier, memory)
  let outcome: 'stored' | 'same' = 'same'
  for (const store of stores) {
    if ((await store.save(content, request.signal)) === 'stored') outcome = 'stored'
  }
  memory.give(content.bytes)
  return outcome
}

/** What waits to be archived after `name`: PostgreSQL marks it in `archive_status`. */
async function listWaiting(path: string, name: string): Promise<string[]> {
  const names = await readdir(join(dirname(path), 'archive_status')).catch(() => [])
  return names
    .filter(entry => entry.endsWith('.ready'))
    .map(entry => entry.slice(0, -'.ready'.length))
    .filter(entry => entry > name && parseWalFileName(entry)?.kind === 'segment')
    .toSorted()
    .slice(0, AHEAD)
}
