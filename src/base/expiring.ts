import type { Clock } from './clock.ts'

export interface Expires {
  /** Undefined: it does not, or nobody says when. */
  readonly expiresAt: Date | undefined
}

/** Ahead of its end, so that no request runs into it. */
const RENEW_MS = 5 * 60_000

/** Something that is issued for a while, such as a token: asked for once by all who need it, and again before it expires. */
export class Expiring<T extends Expires> {
  readonly #issue: () => Promise<T>
  readonly #clock: Pick<Clock, 'now'>
  #known: T | undefined
  #asking: Promise<T> | undefined

  /** `issue` goes on when one of those who wait gives up. */
  constructor(issue: () => Promise<T>, clock: Pick<Clock, 'now'>) {
    this.#issue = issue
    this.#clock = clock
  }

  async get(): Promise<T> {
    const left = this.#msLeft()
    if (this.#known !== undefined && left > RENEW_MS) return this.#known
    this.#asking ??= this.#issue().finally(() => {
      this.#asking = undefined
    })
    try {
      this.#known = await this.#asking
    } catch (error) {
      // What there is is good for a while, and then it is tried again.
      if (this.#known === undefined || this.#msLeft() <= 0) throw error
    }
    return this.#known
  }

  /** The server calls it expired. False where nothing else can come. */
  renew(): boolean {
    const mayChange = this.#known?.expiresAt !== undefined
    if (mayChange) this.#known = undefined
    return mayChange
  }

  #msLeft(): number {
    const end = this.#known?.expiresAt
    return end === undefined ? Infinity : end.getTime() - this.#clock.now().getTime()
  }
}
