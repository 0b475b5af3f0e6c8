import { basename, dirname, join } from 'node:path'
import { forEachLimit } from '../../base/concurrency.ts'
import { messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import type { LogStore } from '../../repository/index.ts'
import { type LogOwner, readLogFile, requireLogName } from './log-file.ts'
import { fileState } from './note-place.ts'
import type { LogSpool } from './spool.ts'

export interface LogPush extends LogOwner {
  /** Every one of them gets the file. Not asked for when a note says that the file is stored. */
  readonly openStores: () => Promise<readonly LogStore[]>
  /** The file, absolute. */
  readonly path: string
  readonly spool: LogSpool | undefined
  readonly logger: Logger
  readonly signal: AbortSignal
}

export interface LogPushResult {
  /** Of the file, as it was asked for. */
  readonly name: string
  readonly outcome: 'stored' | 'same'
  /** Files stored before they were asked for. */
  readonly ahead: number
}

/** So many waiting files are stored in one go. While two are compressed, which takes a core each, one is read or written. */
const AHEAD = 64
const AT_ONCE = 3

/**
 * Stores a log file in every repository; when this resolves it is durable in all. Then it stores others that wait, and
 * leaves a note of each: a server asks for them one by one, and gets its answer at once.
 */
export async function pushFile(request: LogPush): Promise<LogPushResult> {
  const { path, spool, format } = request
  requireLogName(path, format)
  const name = basename(path)
  if (await spool?.takeNote(path, name)) return { name, outcome: 'same', ahead: 0 }
  const stores = await request.openStores()
  const ahead = spool === undefined ? [] : (await format.listWaiting(path)).slice(0, AHEAD)
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
  request: LogPush,
  stores: readonly LogStore[],
  path: string,
  memory: SharedMemory,
): Promise<'stored' | 'same'> {
  const content = await readLogFile(path, request, memory)
  let outcome: 'stored' | 'same' = 'same'
  for (const store of stores) {
    if ((await store.save(content, request.signal)) === 'stored') outcome = 'stored'
  }
  memory.give(content.bytes)
  return outcome
}
