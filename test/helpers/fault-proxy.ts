import { once } from 'node:events'
import {
  request as ask,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ProxiedCall {
  readonly method: string
  /** Decoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** From 1. */
  readonly number: number
}

export interface ProxiedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * What becomes of one call:
 *
 * - `answer`: this, and the server hears nothing of it
 * - `reset`: the connection breaks before the server hears of it
 * - `lost`: the server carries it out, and the connection breaks before it can say so
 * - `stall`: no answer, on an open connection
 * - `change`: the server's answer with a change
 * - `cut`: the server's answer as far as this many bytes of its body, though its head says how long it is
 */
export type Fault =
  | { readonly answer: Partial<ProxiedAnswer> }
  | 'reset'
  | 'lost'
  | 'stall'
  | { readonly change: (answer: ProxiedAnswer) => ProxiedAnswer }
  | { readonly cut: number }

/**
 * Stands before an HTTP server on this machine, and plants faults by method, path and number of the call. Keeps the `Host`
 * that the client sent, so that signatures stay valid. For what happens below HTTP see `slow-line.ts`.
 */
export class FaultProxy {
  /** All calls since the start or the last `forget`. */
  readonly calls: ProxiedCall[] = []
  /** Asked for each call; undefined lets it pass. */
  plan: (call: ProxiedCall) => Fault | undefined = () => undefined
  readonly #server: Server
  readonly #target: number

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((request, response) => {
      void this.#serve(request, response).catch(() => request.socket.destroy())
    })
  }

  /** @param target a port of 127.0.0.1 */
  static async start(target: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Plants a fault into the first matching call alone. */
  once(fault: Fault, matches: (call: ProxiedCall) => boolean = () => true): void {
    let isDone = false
    this.plan = call => {
      if (isDone || !matches(call)) return undefined
      isDone = true
      return fault
    }
  }

  /** No calls, no faults. */
  forget(): void {
    this.calls.length = 0
    this.plan = () => undefined
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x')
    const call = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      number: this.calls.length + 1,
    }
    this.calls.push(call)
    const fault = this.plan(call)
    const body = await collect(request)
    if (fault === 'stall') return
    if (fault === 'reset') return void request.socket.resetAndDestroy()
    if (typeof fault === 'object' && 'answer' in fault) {
      return send(response, { status: 200, headers: {}, body: Buffer.alloc(0), ...fault.answer })
    }
    const answer = await this.#forward(request, body)
    if (fault === 'lost') return void request.socket.resetAndDestroy()
    if (fault !== undefined && 'cut' in fault) {
      response.writeHead(answer.status, answer.headers)
      response.flushHeaders()
      response.write(answer.body.subarray(0, fault.cut), () => request.socket.destroy())
      return
    }
    send(response, fault ? fault.change(answer) : answer)
  }

  async #forward(request: IncomingMessage, body: Buffer): Promise<ProxiedAnswer> {
    const { method, url, headers } = request
    const outgoing = ask({ host: '127.0.0.1', port: this.#target, method, path: url, headers })
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    const texts = Object.entries(incoming.headers).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && !HOP_BY_HOP.has(entry[0]),
    )
    return { status: incoming.statusCode ?? 0, headers: Object.fromEntries(texts), body: await collect(incoming) }
  }
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/** Of a HEAD the length is that of the object, which stays as the server said it. */
function send(response: ServerResponse, { status, headers, body }: ProxiedAnswer): void {
  const length = response.req.method === 'HEAD' ? {} : { 'content-length': String(body.length) }
  response.writeHead(status, { ...headers, ...length }).end(body)
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}
