import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Bandwidth, Throttle } from '../../base/bandwidth.ts'
import { AppError } from '../../base/errors.ts'
import { AnswerBody, ERROR_BODY_BYTES } from './answer-body.ts'
import { batchesOf } from './batches.ts'
import { HttpFailure } from './failure.ts'

export interface HttpHead {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

export interface HttpAnswer extends HttpHead {
  /** Whole, as long as the server said; only of an answer that is no success the beginning. */
  readonly body: Buffer
}

export interface ExchangeOptions {
  readonly body: readonly Uint8Array[]
  readonly into: Buffer | undefined
  readonly limitBytes: number
  readonly onHead: ((head: HttpHead) => void) | undefined
  readonly signal: AbortSignal | undefined
  readonly stallMs: number
  /** Undefined: as fast as it goes. */
  readonly bandwidth: Bandwidth | undefined
}

/**
 * One request and its answer. The promise settles when neither the request's body nor `into` is used any more. Rejects
 * with `interrupted`, with what `onHead` throws, and with what broke the connection as Node says it.
 */
export class Exchange {
  readonly answer: Promise<HttpAnswer>
  readonly #outgoing: ClientRequest
  readonly #options: ExchangeOptions
  readonly #settled = Promise.withResolvers<HttpAnswer>()
  #incoming: IncomingMessage | undefined
  #watchdog: NodeJS.Timeout | undefined
  #isOver = false
  /** We keep it standing still ourselves, to hold to a limit. */
  #isHeld = false

  constructor(outgoing: ClientRequest, options: ExchangeOptions) {
    this.#outgoing = outgoing
    this.#options = options
    this.answer = this.#settled.promise
    options.signal?.addEventListener('abort', this.#interrupt, { once: true })
    outgoing.on('error', error => this.#fail(error))
    // Waiting for one of the connections is no standstill.
    outgoing.once('socket', () => {
      if (!this.#isOver) this.#watchdog = setTimeout(this.#stall, options.stallMs)
    })
    outgoing.once('response', answer => this.#guard(() => this.#read(answer)))
    this.#send()
  }

  /** Did any of the answer come? */
  get hasBegun(): boolean {
    return this.#incoming !== undefined
  }

  /** In batches that go to the system in one call each, however many parts they have. */
  #send(): void {
    const { up } = this.#options.bandwidth ?? {}
    const batches = batchesOf(this.#options.body, () => up?.sliceBytes)
    const next = (): void => {
      // An answer before the end of the body says no; the rest is not wanted.
      if (this.#isOver || this.hasBegun) return
      this.#watchdog?.refresh()
      const { value: batch } = batches.next()
      const last = batch?.pop()
      if (batch === undefined || last === undefined) return void this.#outgoing.end()
      const write = (): void => {
        this.#outgoing.cork()
        for (const piece of batch) this.#outgoing.write(piece)
        this.#outgoing.write(last, error => {
          if (!error) next()
        })
        this.#outgoing.uncork()
      }
      if (up) this.#hold(up, last.length + lengthOf(batch), write)
      else write()
    }
    next()
  }

  /** Goes on when so many bytes may pass. */
  #hold(throttle: Throttle, bytes: number, goOn: () => void): void {
    this.#isHeld = true
    const release = (): void => {
      this.#isHeld = false
      if (this.#isOver) return
      this.#watchdog?.refresh()
      goOn()
    }
    throttle.take(bytes, this.#options.signal).then(release, (error: unknown) => this.#fail(error))
  }

  #read(incoming: IncomingMessage): void {
    this.#incoming = incoming
    this.#watchdog?.refresh()
    const { into, limitBytes, onHead } = this.#options
    const head = { status: incoming.statusCode ?? 0, headers: incoming.headers }
    const isSuccess = head.status >= 200 && head.status < 300
    incoming.on('error', error => this.#fail(error))
    onHead?.(head)
    if (isSuccess) requireLength(this.#outgoing.method, head)
    const body = new AnswerBody(
      incoming.headers,
      isSuccess && this.#outgoing.method !== 'HEAD'
        ? { into, limitBytes, mayBeCut: false }
        : { into: undefined, limitBytes: ERROR_BODY_BYTES, mayBeCut: true },
    )
    const { down } = this.#options.bandwidth ?? {}
    incoming.on('data', (part: Buffer) => {
      if (this.#isOver) return
      this.#watchdog?.refresh()
      this.#guard(() => {
        if (!body.take(part)) this.#end({ ...head, body: body.bytes })
      })
      if (down === undefined || this.#isOver) return
      // The server waits too when nobody takes what comes.
      incoming.pause()
      this.#hold(down, part.length, () => incoming.resume())
    })
    incoming.on('end', () => {
      if (incoming.complete) this.#end({ ...head, body: body.bytes })
      else this.#fail(new HttpFailure('cut', 'the answer ended early'))
    })
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  readonly #interrupt = (): void => {
    this.#fail(new AppError('interrupted', 'interrupted', { cause: this.#options.signal?.reason }))
  }

  readonly #stall = (): void => {
    if (this.#isHeld) return void this.#watchdog?.refresh()
    this.#fail(new HttpFailure('stalled', `no byte came or went for ${Math.round(this.#options.stallMs / 1000)} s`))
  }

  #end(answer: HttpAnswer): void {
    if (!this.#finish()) return
    // A connection with the rest of a body in it, either way, is good for nothing else.
    if (!this.#outgoing.writableFinished || !this.#incoming?.complete) this.#outgoing.destroy()
    this.#settled.resolve(answer)
  }

  #fail(error: unknown): void {
    if (!this.#finish()) return
    const reject = (): void => this.#settled.reject(error)
    // The system may still hold what was to be sent. One that waits for a connection has handed nothing over.
    if (this.#outgoing.socket && !this.#outgoing.closed) this.#outgoing.once('close', reject)
    else reject()
    this.#outgoing.destroy()
  }

  /** False when it was finished before. */
  #finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    clearTimeout(this.#watchdog)
    this.#options.signal?.removeEventListener('abort', this.#interrupt)
    return true
  }
}

/** Without a length, an end of the connection could not be told from the end of the body. */
function requireLength(method: string, { status, headers }: HttpHead): void {
  if (method === 'HEAD' || status === 204 || headers['content-length'] !== undefined) return
  if (headers['transfer-encoding'] !== undefined) return
  throw new HttpFailure('malformed', 'the answer does not say how long it is')
}

const lengthOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0)
