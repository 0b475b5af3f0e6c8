import type { Clock } from '../../base/clock.ts'
import type { S3Credentials } from './sign.ts'

/** Where a client gets what it signs with. */
export interface CredentialSource {
  /** Asked before each request. */
  get(signal?: AbortSignal): Promise<S3Credentials>
  /** Forgets what the server called expired. False where nothing else can come. */
  renew(): boolean
}

export interface IssuedCredentials extends S3Credentials {
  /** Undefined: they do not expire. */
  readonly expiresAt: Date | undefined
}

/** Ahead of their end, so that no request runs into it. */
const RENEW_MS = 5 * 60_000

/** For all requests: asks the first time, and again before they expire. */
export class CachedCredentials implements CredentialSource {
  readonly #provider: () => Promise<IssuedCredentials>
  readonly #clock: Pick<Clock, 'now'>
  #known: IssuedCredentials | undefined
  #asking: Promise<IssuedCredentials> | undefined

  /** @param provider is not given up when one of those who wait is */
  constructor(provider: () => Promise<IssuedCredentials>, clock: Pick<Clock, 'now'>) {
    this.#provider = provider
    this.#clock = clock
  }

  async get(): Promise<S3Credentials> {
    const left = this.#msLeft()
    if (this.#known !== undefined && left > RENEW_MS) return this.#known
    this.#asking ??= this.#provider().finally(() => {
      this.#asking = undefined
    })
    try {
      this.#known = await this.#asking
    } catch (error) {
      // They are good for a while, and then it is tried again.
      if (this.#known === undefined || this.#msLeft() <= 0) throw error
    }
    return this.#known
  }

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
