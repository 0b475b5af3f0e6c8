import type { IncomingHttpHeaders } from 'node:http'
import { HttpFailure } from './failure.ts'
import { contentLength } from './headers.ts'

export interface BodyLimits {
  /** Memory for the body, where it fits. */
  readonly into: Buffer | undefined
  /** A longer body is refused, or cut off where it may be. */
  readonly limitBytes: number
  /** Of an error's body its beginning is enough. */
  readonly mayBeCut: boolean
}

/** The longest body of a success, where nothing else is said. */
export const LIMIT_BYTES = 1024 * 1024
/** No more is kept of the body of an answer that is no success. */
export const ERROR_BODY_BYTES = 64 * 1024

/** Collects the body of one answer. */
export class AnswerBody {
  readonly #memory: Buffer | undefined
  readonly #parts: Buffer[] = []
  readonly #limits: BodyLimits
  #length = 0

  constructor(headers: IncomingHttpHeaders, limits: BodyLimits) {
    this.#limits = limits
    const length = contentLength(headers)
    if (limits.mayBeCut || length === undefined) return
    if (length > limits.limitBytes) throw tooLong(limits.limitBytes)
    const { into } = limits
    // A buffer of its own, so that it can be handed to a worker thread without a copy.
    this.#memory = into && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length)
  }

  /** False when no more is wanted. */
  take(part: Buffer): boolean {
    const { limitBytes, mayBeCut } = this.#limits
    const left = (this.#memory?.length ?? limitBytes) - this.#length
    if (part.length > left && !mayBeCut) throw tooLong(limitBytes)
    const taken = part.subarray(0, left)
    if (this.#memory) taken.copy(this.#memory, this.#length)
    else this.#parts.push(taken)
    this.#length += taken.length
    return part.length <= left
  }

  get bytes(): Buffer {
    return this.#memory?.subarray(0, this.#length) ?? Buffer.concat(this.#parts)
  }
}

function tooLong(limitBytes: number): HttpFailure {
  return new HttpFailure('malformed', `the answer is longer than ${limitBytes} bytes`)
}
