import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { TLSSocket } from 'node:tls'

/**
 * What a program takes for its proxy (`HTTPS_PROXY`), and that leads it to a plain HTTP server on this machine whatever host
 * it asks for: for clients that insist on TLS and a name.
 */
export class TlsProxy {
  /** Of the authority that signed for the host: PEM, in a file. */
  readonly caFile: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(caFile: string, identity: { readonly key: Buffer; readonly cert: Buffer }, target: number) {
    this.caFile = caFile
    this.#server = createServer((_request, response) => response.writeHead(405).end())
    this.#server.on('connect', (_request, client: Socket) => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      const secure = new TLSSocket(client, { isServer: true, ...identity })
      const server = connect(target, '127.0.0.1')
      for (const [socket, other] of [
        [secure, server],
        [server, secure],
      ] as const) {
        socket.on('error', () => other.destroy())
        socket.pipe(other)
      }
      for (const socket of [client, server]) this.#sockets.add(socket)
    })
  }

  /** @param target a port of 127.0.0.1 */
  static async start(host: string, target: number): Promise<TlsProxy> {
    const dir = mkdtempSync(join(tmpdir(), 'lb-tls-'))
    const [key, cert] = [join(dir, 'proxy-key.pem'), join(dir, 'proxy-cert.pem')]
    const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' })
    const proxy = new TlsProxy(cert, { key: readFileSync(key), cert: readFileSync(cert) }, target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
    rmSync(dirname(this.caFile), { recursive: true })
  }
}
