import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Stands between a client and a server on this machine, as a network that can be cut. */
export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port
  }

  /** Passes on to a port of 127.0.0.1; counts what the server sent in `onBytes`. */
  static async start(target: number, onBytes: (proxy: TcpProxy, total: number) => void): Promise<TcpProxy> {
    const sockets = new Set<Socket>()
    let total = 0
    const server = createServer(client => {
      const there = connect(target, '127.0.0.1')
      for (const socket of [client, there]) {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => sockets.delete(socket))
      }
      client.pipe(there)
      there.pipe(client)
      there.on('data', bytes => {
        total += bytes.length
        onBytes(proxy, total)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new TcpProxy(server, sockets)
    return proxy
  }

  /** Every connection ends at once, and there is none again. */
  cut(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
