import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'
import { type LocksContext, REFRESH_MS, STALE_MS } from './locks.ts'

/** How often to look at the clock: timers stand still while a machine sleeps, and then the lock may be old at once. */
const TICK_MS = 15_000
/** Too old to go on with: others may take it for stale soon (restic's margin for clocks that differ). */
const LOST_MS = STALE_MS - REFRESH_MS * 1.5

/** A lock that is written anew every five minutes until it is released. */
export class HeldLock {
  readonly #context: LocksContext
  readonly #write: () => Promise<Id>
  readonly #stop = new AbortController()
  readonly #lost = new AbortController()
  readonly #refreshing: Promise<void>
  #id: Id
  #writtenAt: number
  #released = false

  /** @param write stores a lock file with the present time and returns its id */
  constructor(context: LocksContext, id: Id, write: () => Promise<Id>) {
    this.#context = context
    this.#write = write
    this.#id = id
    this.#writtenAt = context.clock.now().getTime()
    this.#refreshing = this.#keepFresh()
  }

  get id(): Id {
    return this.#id
  }

  /** Fires when the lock could not be kept: nothing may be changed any more. Its reason is the error to throw. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Removes the lock file. Safe twice. A failure is only a finding: the lock ages out by itself. */
  async release(): Promise<void> {
    this.#stop.abort()
    await this.#refreshing
    if (this.#released) return
    this.#released = true
    await this.#remove(this.#id)
  }

  async #keepFresh(): Promise<void> {
    const { clock } = this.#context
    while (!this.#stop.signal.aborted) {
      await clock.sleep(TICK_MS, this.#stop.signal)
      const age = clock.now().getTime() - this.#writtenAt
      if (this.#stop.signal.aborted || age < REFRESH_MS) continue
      const kept = await this.#refresh(age > LOST_MS).catch(() => age <= LOST_MS)
      if (kept) continue
      this.#lost.abort(lostError(age))
      return
    }
  }

  /** False when the lock is gone. `late`: others may have removed it, so it has to be there before and after. */
  async #refresh(late: boolean): Promise<boolean> {
    if (late && !(await this.#exists())) return false
    const at = this.#context.clock.now().getTime()
    const old = this.#id
    const fresh = await this.#write()
    if (late && !(await this.#exists())) {
      await this.#remove(fresh)
      return false
    }
    this.#id = fresh
    this.#writtenAt = at
    await this.#remove(old)
    return true
  }

  async #exists(): Promise<boolean> {
    return (await this.#context.files.listIds('lock')).includes(this.#id)
  }

  async #remove(id: Id): Promise<void> {
    try {
      await this.#context.files.remove('lock', id)
    } catch {
      this.#context.onFinding({
        severity: 'warning',
        code: 'lock-not-removed',
        subject: `lock ${shortId(id)}`,
        message: 'the lock file could not be removed; it counts for nothing once this process has ended',
      })
    }
  }
}

function lostError(ageMs: number): AppError {
  return new AppError(
    'repository-locked',
    `the repository's lock could not be kept: it was last written ${Math.round(ageMs / 60_000)} minutes ago`,
    { hint: 'Run the command again when the storage can be reached. What was stored so far is used again.' },
  )
}
