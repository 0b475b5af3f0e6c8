import { Semaphore } from '../../base/concurrency.ts'
import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { lockNotRemoved } from './locks.ts'
import { type LocksContext, REFRESH_MS, SETTLE_MS, STALE_MS } from './locks-context.ts'

/** How often to look at the clock: timers stand still while a machine sleeps, and then the lock may be old at once. */
const TICK_MS = 15_000
/** Too old to go on with: others may take it for stale soon (restic's margin for clocks that differ). */
const LOST_MS = STALE_MS - REFRESH_MS * 1.5

interface Instant {
  readonly time: number
  readonly monotonicMs: number
}

/** A lock that is written anew every five minutes until it is released. */
export class HeldLock {
  readonly #context: LocksContext
  readonly #write: () => Promise<Id>
  readonly #stop = new AbortController()
  readonly #lost = new AbortController()
  readonly #refreshing: Promise<void>
  /** While the file is replaced there are two, of which others are told one. */
  readonly #replacing = new Semaphore(1)
  #id: Id
  #writtenAt: Instant
  /** When the last look began that found it. */
  #seenAt: Instant | undefined
  #released = false

  /** @param write stores a lock file with the present time and returns its id */
  constructor(context: LocksContext, id: Id, write: () => Promise<Id>) {
    this.#context = context
    this.#write = write
    this.#id = id
    this.#writtenAt = this.#now()
    this.#refreshing = this.#keepFresh()
  }

  get id(): Id {
    return this.#id
  }

  /** Fires when the lock could not be kept: nothing may be changed any more. Its reason is the error to throw. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Does something that has to tell this lock from those of others. */
  async whileStill<T>(work: (own: Id) => Promise<T>): Promise<T> {
    return await this.#replacing.run(() => work(this.#id))
  }

  /** Throws when the lock file is there no more: then others were free to delete what was stored under it. */
  async assertHeld(): Promise<void> {
    this.lost.throwIfAborted()
    if (this.#released || (await this.#exists())) return
    // A refresh may have replaced it between the look and now.
    this.lost.throwIfAborted()
    if (await this.#exists()) return
    this.#lost.abort(removedError())
    this.lost.throwIfAborted()
  }

  /**
   * As `assertHeld`, but asks nothing so soon after a look: who takes a lock away and prunes has to take one himself first,
   * and to let that settle before he looks which snapshots there are.
   */
  async assertUnbroken(): Promise<void> {
    this.lost.throwIfAborted()
    if (this.#seenAt === undefined || this.#ageMs(this.#seenAt) >= SETTLE_MS) await this.assertHeld()
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
      const ageMs = this.#ageMs(this.#writtenAt)
      if (this.#stop.signal.aborted || ageMs < REFRESH_MS) continue
      // What cannot be reached for a while is tried again at the next tick.
      const kept = await this.#replacing.run(() => this.#refresh()).catch(() => ageMs <= LOST_MS || lostError(ageMs))
      if (kept === true) continue
      this.#lost.abort(kept === false ? removedError() : kept)
      return
    }
  }

  #now(): Instant {
    const { clock } = this.#context
    return { time: clock.now().getTime(), monotonicMs: clock.monotonicMs() }
  }

  /** One clock stands still while the machine sleeps, the other may be set back. */
  #ageMs(since: Instant): number {
    const now = this.#now()
    return Math.max(now.time - since.time, now.monotonicMs - since.monotonicMs)
  }

  /** False when the lock was removed by somebody: it has to be there before the new one is written, and after. */
  async #refresh(): Promise<boolean> {
    if (!(await this.#exists())) return false
    const at = this.#now()
    const old = this.#id
    const fresh = await this.#write()
    if (!(await this.#exists())) {
      await this.#remove(fresh)
      return false
    }
    this.#id = fresh
    this.#writtenAt = at
    await this.#remove(old)
    return true
  }

  async #exists(): Promise<boolean> {
    const at = this.#now()
    const isThere = (await this.#context.files.listIds('lock')).includes(this.#id)
    if (isThere) this.#seenAt = at
    return isThere
  }

  async #remove(id: Id): Promise<void> {
    try {
      await this.#context.files.remove('lock', id)
    } catch {
      this.#context.onFinding(lockNotRemoved(id))
    }
  }
}

function removedError(): AppError {
  return new AppError('repository-locked', 'the repository’s lock was removed by another process', {
    hint: 'Run the command again. Look for an "unlock" that somebody ran, or for a machine whose clock is wrong.',
  })
}

function lostError(ageMs: number): AppError {
  return new AppError(
    'repository-locked',
    `the repository's lock could not be kept: it was last written ${Math.round(ageMs / 60_000)} minutes ago`,
    { hint: 'Run the command again when the storage can be reached. What was stored so far is used again.' },
  )
}
