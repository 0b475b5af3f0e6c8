import { join } from 'node:path'
import { AppError, isAppError, messageOf } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import type { LogStore } from '../../repository/index.ts'
import type { LogFormat, SourceContext, SourceLog } from '../../sources/source.ts'
import { LogShipper, type ShipProgress } from './ship.ts'

export interface LogReceive extends SourceContext {
  readonly source: string
  readonly kind: string
  readonly format: LogFormat
  readonly log: SourceLog
  /** Every one of them gets the log. */
  readonly stores: readonly LogStore[]
  /** Private and existing; what is received waits here until it is stored. It must survive a restart. */
  readonly folder: string
  /** How often the unfinished file is stored too: so much is lost at most. */
  readonly intervalMs: number
  readonly onProgress?: ((progress: LogReceiveProgress) => void) | undefined
}

export interface LogReceiveProgress extends ShipProgress {
  readonly receiving: boolean
  /** Why not, in that case. */
  readonly failure: string | undefined
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** What ran so long was well: the next failure is a new one. */
const HEALTHY_MS = 60_000

/**
 * Receives a source's log and stores it, until the signal fires. The source, the storage and the network may go away
 * at any time: each is tried again, ever more slowly, and nothing received is removed before it is stored everywhere.
 * Throws `source-invalid` and the like for what no waiting mends.
 */
export async function receiveFiles(request: LogReceive): Promise<void> {
  const id = await identify(request)
  if (id === undefined) return
  const folder = join(request.folder, id, 'received')
  await makeFolders(folder, 0o700)
  const stop = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  const shipper = new LogShipper({ ...request, folder, id, signal })
  const state = { receiving: false, failure: undefined as string | undefined }
  const shipping = shipper.run(progress => request.onProgress?.({ ...progress, ...state }))
  try {
    await keepReceiving(request, folder, state)
  } finally {
    stop.abort()
    await shipping
    // What came in last is stored before we go; what can't be now is stored at the next start.
    await shipper.shipLast()
  }
}

/** Waits for the source to say which log it writes; undefined when we are told to stop before. */
async function identify(request: LogReceive): Promise<string | undefined> {
  let pauseMs = FIRST_PAUSE_MS
  while (!request.signal.aborted) {
    try {
      return (await request.log.inspect(request)).id
    } catch (error) {
      if (!canMend(error)) throw error
      request.logger.warn(`cannot reach ${request.source}, trying again`, { reason: messageOf(error) })
    }
    await request.clock.sleep(pauseMs, request.signal)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
  return undefined
}

async function keepReceiving(
  request: LogReceive,
  folder: string,
  state: { receiving: boolean; failure: string | undefined },
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS
  while (!request.signal.aborted) {
    const startedMs = request.clock.monotonicMs()
    state.receiving = true
    try {
      await request.log.receive({ ...request, folder })
    } catch (error) {
      state.receiving = false
      if (request.signal.aborted) return
      if (!canMend(error)) throw error
      state.failure = messageOf(error)
      request.logger.warn(`the log of ${request.source} is not received, trying again`, { reason: state.failure })
    }
    if (request.clock.monotonicMs() - startedMs > HEALTHY_MS) pauseMs = FIRST_PAUSE_MS
    await request.clock.sleep(pauseMs, request.signal)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
}

/** A gap, missing rights or programs do not come back by waiting. */
function canMend(error: unknown): boolean {
  if (!(error instanceof AppError)) return false
  return !isAppError(error, 'source-invalid') && !isAppError(error, 'tool-missing') && !isAppError(error, 'unsupported')
}
