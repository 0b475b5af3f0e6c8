import { formatDuration } from '../../base/durations.ts'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import type { Workspace } from './workspace.ts'

/** A storage tries for a quarter of an hour; where others go on without it, nobody waits for so long. */
const PATIENCE_MS = 2 * 60_000
const LOOK_EVERY_MS = 2000

/**
 * Does `work` with repositories that nobody depends on: one of them that answers nothing but failures for two minutes is
 * abandoned, and `storage-failed` thrown. A slow one that answers is waited for.
 */
export async function unlessSilent<T>(
  workspace: Workspace,
  names: readonly string[],
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const watching = watch(workspace, names, AbortSignal.any([signal, done.signal]))
  try {
    return await work()
  } catch (error) {
    done.abort()
    throwIfAborted(signal)
    const silent = await watching
    if (silent === undefined) throw error
    throw new AppError('storage-failed', `${silent} has not answered for ${formatDuration(PATIENCE_MS)}`, {
      hint: 'Look whether its server and the way to it are up.',
      cause: error,
    })
  } finally {
    done.abort()
    await watching
  }
}

/** Gives the one that was abandoned. */
async function watch(workspace: Workspace, names: readonly string[], end: AbortSignal): Promise<string | undefined> {
  while (!end.aborted) {
    await workspace.clock.sleep(LOOK_EVERY_MS, end)
    if (end.aborted) return undefined
    const silent = names.find(name => workspace.silenceMs(name) >= PATIENCE_MS)
    if (silent === undefined) continue
    workspace.abandonRepository(silent)
    return silent
  }
  return undefined
}
