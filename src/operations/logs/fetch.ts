import { open, rename, rm } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { forEachLimit } from '../../base/concurrency.ts'
import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import type { LogFileName, LogId } from '../../model/log.ts'
import type { LogStore } from '../../repository/index.ts'
import type { LogFormat } from '../../sources/source.ts'
import { requireLogName } from './log-file.ts'
import type { LogSpool } from './spool.ts'

export interface LogFileFetch {
  /** Asked one after the other. Not opened for a file that was fetched ahead. */
  readonly openStores: () => Promise<readonly LogStore[]>
  readonly format: LogFormat
  readonly log: LogId
  readonly name: string
  /** Where it is wanted, absolute. */
  readonly destination: string
  readonly spool: LogSpool | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** `missing` is no fault: a server asks for files that need not exist, and so learns where the log ends. */
export type LogFetchOutcome = 'fetched' | 'missing'

/** Half a gigabyte of files of 16 MiB. More would save little: starting takes as long as fetching some ten of them. */
const AHEAD = 32
const AT_ONCE = 3
/** A server can't tell a fault from the end of the log, so a storage that stumbles is asked again. */
const RETRY_AFTER_MS = [250, 1000, 4000]

/** Brings a log file to where recovery wants it, and the ones that it will want next into the spool. */
export async function fetchFile(request: LogFileFetch): Promise<LogFetchOutcome> {
  const { name: asked, destination, spool, format } = request
  const { name, unfinished, order } = requireLogName(asked, format)
  if (await spool?.take(asked, destination)) return 'fetched'
  const stores = await request.openStores()
  const finished = unfinished ? undefined : await findFile(request, stores, { name, unfinished: false })
  // The newest file as far as it was received: without it the last seconds would be lost.
  const isStretch = order !== undefined
  const found = finished ?? (isStretch ? await findFile(request, stores, { name, unfinished: true }) : undefined)
  if (found === undefined) return 'missing'
  await writeWhole(destination, found)
  if (finished !== undefined) await fetchAhead(request, stores, finished.length)
  return 'fetched'
}

async function findFile(
  request: LogFileFetch,
  stores: readonly LogStore[],
  file: LogFileName,
): Promise<Buffer | undefined> {
  let failure: unknown
  for (const store of stores) {
    try {
      const found = await withRetries(request, () => store.find(request.log, file, request.signal))
      if (found) return found.bytes
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return undefined
}

async function withRetries<T>(request: LogFileFetch, work: () => Promise<T>): Promise<T> {
  for (const delayMs of RETRY_AFTER_MS) {
    try {
      return await work()
    } catch (error) {
      if (!isAppError(error) || !error.isTransient || isAppError(error, 'interrupted')) throw error
      request.logger.warn('the repository did not answer, trying again', { reason: messageOf(error) })
      await request.clock.sleep(delayMs, request.signal)
    }
  }
  return await work()
}

async function fetchAhead(request: LogFileFetch, [store]: readonly LogStore[], sizeBytes: number): Promise<void> {
  const { spool, log, signal, format } = request
  if (spool === undefined || store === undefined) return
  const names = format.listNext(request.name, sizeBytes, AHEAD)
  if (names.length === 0) return
  try {
    await spool.keepOnly(new Set(names))
  } catch (error) {
    // What was asked for is there. A failure would tell the server that the log ends here.
    request.logger.debug('nothing is fetched ahead', { reason: messageOf(error) })
    return
  }
  const memory = new SharedMemory()
  let ended = false
  await forEachLimit(names, AT_ONCE, async name => {
    if (ended || (await spool.has(name))) return
    try {
      const into = memory.take(sizeBytes)
      const found = await store.find(log, { name, unfinished: false }, signal, into)
      if (found) await spool.put(name, found.bytes)
      else ended = true
      memory.give(into)
    } catch (error) {
      // It will be asked for by itself, and then its failure is said.
      ended = true
      request.logger.debug(`not fetched ahead: ${name}`, { reason: messageOf(error) })
    }
  })
}

/** Never half a file under the wanted name. */
async function writeWhole(destination: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${destination}.lifeboat`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(bytes)
    } finally {
      await file.close()
    }
    await rename(temporary, destination)
  } catch (error) {
    await rm(temporary, { force: true })
    const full = systemCode(error) === 'ENOSPC'
    throw new AppError(full ? 'target-full' : 'target-invalid', `cannot write ${destination}: ${messageOf(error)}`, {
      hint: 'The server must be able to write there, from the folder in which it runs the command.',
      cause: error,
    })
  }
}
