import { open, rename, rm } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import { forEachLimit } from '../../base/concurrency.ts'
import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { SharedMemory } from '../../base/shared-memory.ts'
import { segmentName, segmentOf } from '../../model/wal.ts'
import type { WalStore } from '../../repository/index.ts'
import type { WalSpool } from './spool.ts'
import { requireWalName } from './wal-file.ts'

export interface WalFetch {
  /** Asked one after the other. Not opened for a file that was fetched ahead. */
  readonly openStores: () => Promise<readonly WalStore[]>
  readonly systemIdentifier: string
  /** `%f`: the file's name. */
  readonly name: string
  /** `%p`: where PostgreSQL wants it, absolute. */
  readonly destination: string
  readonly spool: WalSpool | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** `missing` is no fault: PostgreSQL asks for files that need not exist, and so learns where the log ends. */
export type WalFetchOutcome = 'fetched' | 'missing'

/** Half a gigabyte of the usual segments. More would save little: starting takes as long as fetching some ten of them. */
const AHEAD = 32
const AT_ONCE = 3
/** PostgreSQL can't tell a fault from the end of the log, so a storage that stumbles is asked again. */
const RETRY_AFTER_MS = [250, 1000, 4000]

/** Brings a log file to where recovery wants it, and the ones that it will want next into the spool. */
export async function fetchWal(request: WalFetch): Promise<WalFetchOutcome> {
  const { name, destination, spool } = request
  const file = requireWalName(name)
  if (await spool?.take(name, destination)) return 'fetched'
  const stores = await request.openStores()
  const found =
    (await findWal(request, stores, name)) ?? (file.kind === 'segment' && (await findUnfinished(request, stores)))
  if (!found) return 'missing'
  await writeWhole(destination, found.bytes)
  if (file.kind === 'segment' && found.segmentBytes !== undefined) await fetchAhead(request, stores, found.segmentBytes)
  return 'fetched'
}

interface FoundWal {
  readonly bytes: Buffer
  readonly segmentBytes: number | undefined
}

/** The last segment, as far as it was received: without it the newest seconds would be lost. */
async function findUnfinished(request: WalFetch, stores: readonly WalStore[]): Promise<FoundWal | undefined> {
  const found = await findWal(request, stores, `${request.name}.partial`)
  return found && { bytes: found.bytes, segmentBytes: undefined }
}

async function findWal(request: WalFetch, stores: readonly WalStore[], name: string): Promise<FoundWal | undefined> {
  let failure: unknown
  for (const store of stores) {
    try {
      const found = await withRetries(request, () => store.find(request.systemIdentifier, name, request.signal))
      if (found) return { bytes: found.bytes, segmentBytes: found.header.segmentBytes }
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return undefined
}

async function withRetries<T>(request: WalFetch, work: () => Promise<T>): Promise<T> {
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

async function fetchAhead(request: WalFetch, [store]: readonly WalStore[], segmentBytes: number): Promise<void> {
  const { spool, systemIdentifier, signal } = request
  if (spool === undefined || store === undefined) return
  const { timeline, number } = segmentOf(request.name, segmentBytes)
  const names = Array.from({ length: AHEAD }, (_, i) =>
    segmentName({ timeline, number: number + BigInt(i + 1) }, segmentBytes),
  )
  try {
    await spool.keepOnly(new Set(names))
  } catch (error) {
    // What was asked for is there. A failure would tell PostgreSQL that the log ends here.
    request.logger.debug('nothing is fetched ahead', { reason: messageOf(error) })
    return
  }
  const memory = new SharedMemory()
  let ended = false
  await forEachLimit(names, AT_ONCE, async name => {
    if (ended || (await spool.has(name))) return
    try {
      const into = memory.take(segmentBytes)
      const found = await store.find(systemIdentifier, name, signal, into)
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
      hint: 'PostgreSQL must be able to write there: %p in restore_command, run in the data directory.',
      cause: error,
    })
  }
}
