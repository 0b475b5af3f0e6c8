import type { IncomingHttpHeaders } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2'
import { AppError } from '../../base/errors.ts'
import {
  AnswerBody,
  batchesOf,
  contentLength,
  ERROR_BODY_BYTES,
  type HttpAnswer,
  HttpFailure,
  type HttpHead,
  type HttpRequest,
  LIMIT_BYTES,
} from '../http/index.ts'

export interface ExchangeWatch {
  readonly stallMs: number
  /** No byte came or went for that long; the request has failed. */
  readonly onStall: () => void
  /** The head of an answer came. */
  readonly onAnswer: () => void
}

/**
 * One request and its answer over HTTP/2. The promise settles when neither the request's body nor `into` is used any more.
 * Rejects with `HttpFailure`, `interrupted`, and what `onHead` throws.
 */
export class Exchange {
  readonly answer: Promise<HttpAnswer>
  readonly #settled = Promise.withResolvers<HttpAnswer>()
  readonly #request: Omit<HttpRequest, 'origin' | 'repeatable'>
  readonly #watch: ExchangeWatch
  readonly #stream: ClientHttp2Stream
  readonly #watchdog: NodeJS.Timeout
  #hasBegun = false
  #whole: HttpAnswer | undefined
  #failure: unknown

  constructor(session: ClientHttp2Session, request: Omit<HttpRequest, 'origin' | 'repeatable'>, watch: ExchangeWatch) {
    this.#request = request
    this.#watch = watch
    this.answer = this.#settled.promise
    const bytes = request.body?.reduce((sum, part) => sum + part.length, 0)
    this.#stream = openStream(session, request, bytes)
    this.#watchdog = setTimeout(this.#stall, watch.stallMs)
    request.signal?.addEventListener('abort', this.#interrupt, { once: true })
    this.#stream.on('error', (error: Error) => this.#fail(new HttpFailure('cut', 'the connection broke', error)))
    this.#stream.once('response', ({ ':status': status = 0, ...headers }) => this.#begin(status, headers))
    // Told before the answer that came with it.
    this.#stream.once('aborted', () => setImmediate(() => this.#hasBegun || this.#fail(cut())))
    this.#stream.once('close', () => this.#settle())
    if (bytes !== undefined && bytes > 0) this.#send(request.body ?? [])
  }

  #send(body: readonly Uint8Array[]): void {
    const batches = batchesOf(body)
    const next = (): void => {
      if (this.#stream.closed || this.#stream.destroyed) return
      this.#watchdog.refresh()
      const { value: batch } = batches.next()
      const last = batch?.pop()
      if (batch === undefined || last === undefined) return void this.#stream.end()
      this.#stream.cork()
      for (const piece of batch) this.#stream.write(piece)
      this.#stream.write(last, error => {
        if (!error) next()
      })
      this.#stream.uncork()
    }
    next()
  }

  #begin(status: number, headers: IncomingHttpHeaders): void {
    this.#hasBegun = true
    this.#watch.onAnswer()
    const { method, into, limitBytes = LIMIT_BYTES, onHead } = this.#request
    const isSuccess = status >= 200 && status < 300 && method !== 'HEAD'
    this.#guard(() => {
      onHead?.({ status, headers })
      const body = new AnswerBody(
        headers,
        isSuccess
          ? { into, limitBytes, mayBeCut: false }
          : { into: undefined, limitBytes: ERROR_BODY_BYTES, mayBeCut: true },
      )
      this.#receive({ status, headers }, body, isSuccess ? contentLength(headers) : undefined)
    })
  }

  /** @param said how long the body is; undefined: it ends where it ends */
  #receive(head: HttpHead, body: AnswerBody, said: number | undefined): void {
    this.#stream.on('data', (part: Buffer) => {
      // A closed stream may still hand out what it has; a request that failed must not write into memory.
      if (this.#failure !== undefined) return
      this.#watchdog.refresh()
      this.#guard(() => void body.take(part))
    })
    this.#stream.once('end', () => {
      // A whole answer may end a stream whose request was not read to its end (RFC 9113, 8.1).
      const isBroken = (this.#stream.rstCode ?? constants.NGHTTP2_NO_ERROR) !== constants.NGHTTP2_NO_ERROR
      if (isBroken || (said !== undefined && said !== body.bytes.length)) return this.#fail(cut())
      this.#whole = { ...head, body: body.bytes }
      // What is left of the request is not wanted.
      if (!this.#stream.writableFinished) this.#end()
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
    this.#fail(new AppError('interrupted', 'interrupted', { cause: this.#request.signal?.reason }))
  }

  readonly #stall = (): void => {
    this.#fail(new HttpFailure('stalled', `no byte came or went for ${Math.round(this.#watch.stallMs / 1000)} s`))
    this.#watch.onStall()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#end()
  }

  #end(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
    // Closed alone, it would wait until all that came was taken, and all that was to go was sent.
    this.#stream.destroy()
  }

  /** Nothing of ours is in the stream's hands any more. */
  #settle(): void {
    clearTimeout(this.#watchdog)
    this.#request.signal?.removeEventListener('abort', this.#interrupt)
    if (this.#whole !== undefined && this.#failure === undefined) this.#settled.resolve(this.#whole)
    else this.#settled.reject(this.#failure ?? cut())
  }
}

function openStream(
  session: ClientHttp2Session,
  { method, path, headers }: Pick<HttpRequest, 'method' | 'path' | 'headers'>,
  bytes: number | undefined,
): ClientHttp2Stream {
  return session.request(
    {
      [constants.HTTP2_HEADER_METHOD]: method,
      [constants.HTTP2_HEADER_PATH]: path,
      ...headers,
      ...(bytes === undefined ? {} : { 'content-length': String(bytes) }),
    },
    { endStream: bytes === undefined || bytes === 0 },
  )
}

function cut(): HttpFailure {
  return new HttpFailure('cut', 'the answer ended early')
}
