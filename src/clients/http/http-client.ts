import * as http from 'node:http'
import * as https from 'node:https'
import { getCACertificates } from 'node:tls'
import type { Bandwidth } from '../../base/bandwidth.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import { LIMIT_BYTES } from './answer-body.ts'
import { Exchange, type HttpAnswer, type HttpHead } from './exchange.ts'
import { failureOf } from './failure.ts'

export interface HttpClientOptions {
  /** Connections to one host at once. More requests wait. */
  readonly maxSockets: number
  /** Certificates of authorities that are believed beside the system's, as PEM. */
  readonly ca?: string | undefined
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are looked up. Default: no proxy. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** How long no byte may come or go while a request has its connection. Default 90 s. */
  readonly stallMs?: number | undefined
  /** How fast bodies may go and come, over all connections. Default: as fast as they go. */
  readonly bandwidth?: Bandwidth | undefined
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'PATCH'
  /** `https://host:port` */
  readonly origin: string
  /** With its query; encoded already, and sent as it is: dots and double slashes in it stay. */
  readonly path: string
  /** `Host` and `Content-Length` are set here unless they are given. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** In parts, which are sent one after the other and not joined. Given up by the caller until the call ends. */
  readonly body?: readonly Uint8Array[] | undefined
  /**
   * Memory for the body of a success, if it is long enough; `body` of the answer is then its beginning. Given up by the
   * caller until the call ends.
   */
  readonly into?: Buffer | undefined
  /** The longest body of a success; default 1 MiB. */
  readonly limitBytes?: number | undefined
  /** Looks at the answer before its body is read. What it throws ends the request, and comes out as it is. */
  readonly onHead?: ((head: HttpHead) => void) | undefined
  /**
   * May it be sent again at once when a connection that was kept turns out to be dead, though the server may have carried
   * it out? Default: GET and HEAD may.
   */
  readonly repeatable?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const STALL_MS = 90_000
/** Servers close what idles, most after 20 s and more; ours go first, so that few requests meet a dead connection. */
const IDLE_MS = 15_000

/**
 * HTTP/1.1 for objects: few connections that are kept, bodies as several buffers, answers read into the caller's memory.
 * Idle connections do not keep the process alive. No redirect is followed, no body decoded, nothing tried again but what
 * `repeatable` says; any status is an answer.
 */
export class HttpClient {
  readonly #http: http.Agent
  readonly #https: https.Agent
  readonly #stallMs: number
  readonly #bandwidth: Bandwidth | undefined
  /** Hosts that answered. */
  readonly #reached = new Set<string>()

  constructor({ maxSockets, ca, environment, stallMs = STALL_MS, bandwidth }: HttpClientOptions) {
    this.#stallMs = stallMs
    this.#bandwidth = bandwidth
    const options = {
      keepAlive: true,
      maxSockets,
      maxFreeSockets: maxSockets,
      scheduling: 'lifo',
      timeout: IDLE_MS,
      noDelay: true,
      ...(environment === undefined ? {} : { proxyEnv: { ...environment } }),
    } as const
    this.#http = new http.Agent(options)
    this.#https = new https.Agent(ca === undefined ? options : { ...options, ca: [...getCACertificates(), ca] })
  }

  /** Rejects with `HttpFailure`, `interrupted`, or what `onHead` threw. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { method, repeatable = method === 'GET' || method === 'HEAD' } = request
    for (;;) {
      throwIfAborted(request.signal)
      const outgoing = this.#start(request)
      const exchange = new Exchange(outgoing, {
        body: request.body ?? [],
        into: request.into,
        limitBytes: request.limitBytes ?? LIMIT_BYTES,
        onHead: head => {
          this.#reached.add(request.origin)
          request.onHead?.(head)
        },
        signal: request.signal,
        stallMs: this.#stallMs,
        bandwidth: this.#bandwidth,
      })
      try {
        return await exchange.answer
      } catch (error) {
        // Ends: the dead connection is gone, and a new one is not a reused one.
        if (repeatable && outgoing.reusedSocket && !exchange.hasBegun && isReset(error)) continue
        throw this.#wrap(error, request)
      }
    }
  }

  /** Ends all connections, those in use too. */
  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  #start({ method, origin, path, headers, body }: HttpRequest): http.ClientRequest {
    const { protocol, hostname, port, host } = new URL(origin)
    const length = body?.reduce((sum, part) => sum + part.length, 0)
    const options = {
      method,
      // WHATWG URLs keep the brackets of an IPv6 address, sockets take none.
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      path,
      headers: { host, ...(length === undefined ? {} : { 'content-length': String(length) }), ...headers },
    }
    return protocol === 'https:'
      ? https.request({ ...options, agent: this.#https })
      : http.request({ ...options, agent: this.#http })
  }

  #wrap(error: unknown, { origin }: HttpRequest): unknown {
    // What a caller's own check threw, or an interrupt.
    if (isAppError(error) || !isSystemError(error)) return error
    return failureOf(error, new URL(origin).host, this.#reached.has(origin))
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof AggregateError || (error instanceof Error && 'code' in error)
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}
