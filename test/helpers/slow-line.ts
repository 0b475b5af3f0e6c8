import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'

export interface LineProperties {
  /** One way. */
  readonly latencyMs?: number
  /** Each way, over all connections. */
  readonly bytesPerSecond?: number
  /** Each connection breaks after so many bytes from the server. */
  readonly cutAfterBytes?: number
  /** Nothing passes any more on a connection after so many bytes from the server; it stays open. */
  readonly stallAfterBytes?: number
}

export interface PassedPart {
  /** Of `performance.now()`. */
  readonly atMs: number
  readonly bytes: number
}

/** A timer of ours that came late is made up for: real lines have no such gaps. */
const BURST_MS = 20

/** A network between a client and a server on this machine, below whatever they speak. */
export class SlowLine {
  /** May be changed at any time. */
  properties: LineProperties
  /** What passed so far, and when. */
  readonly passed = { up: [] as PassedPart[], down: [] as PassedPart[] }
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #freeAtMs = { up: 0, down: 0 }

  private constructor(target: number, properties: LineProperties) {
    this.properties = properties
    this.#server = createServer(client => this.#join(client, connect(target, '127.0.0.1')))
  }

  /** @param target a port of 127.0.0.1 */
  static async start(target: number, properties: LineProperties): Promise<SlowLine> {
    const line = new SlowLine(target, properties)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    return line
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #join(client: Socket, server: Socket): void {
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => this.#sockets.delete(socket))
    }
    client.on('close', () => server.destroy())
    let sent = 0
    server.on('data', part => {
      sent += part.length
      if (sent > (this.properties.cutAfterBytes ?? Infinity)) client.resetAndDestroy()
    })
    const isStill = (): boolean => sent > (this.properties.stallAfterBytes ?? Infinity)
    client.pipe(this.#delay('up', isStill)).pipe(server)
    server.pipe(this.#delay('down', isStill)).pipe(client)
  }

  #delay(way: 'up' | 'down', isStill: () => boolean): Transform {
    // In order, whatever the timers do; latency holds nothing back from being sent meanwhile.
    let last = Promise.resolve()
    const pushLater = async (part: Buffer, waitMs: number): Promise<void> => {
      await Promise.all([last, wait(waitMs)])
      line.push(part)
    }
    const line = new Transform({
      transform: (part: Buffer, _encoding, done) => {
        if (isStill()) return
        const { latencyMs = 0, bytesPerSecond = Infinity } = this.properties
        const now = performance.now()
        this.passed[way].push({ atMs: now, bytes: part.length })
        this.#freeAtMs[way] = Math.max(now - BURST_MS, this.#freeAtMs[way]) + (part.length / bytesPerSecond) * 1000
        const takenMs = Math.max(0, this.#freeAtMs[way] - now)
        last = pushLater(part, takenMs + latencyMs)
        setTimeout(done, takenMs)
      },
      final: done => {
        void last.finally(() => done())
      },
    })
    return line
  }
}
