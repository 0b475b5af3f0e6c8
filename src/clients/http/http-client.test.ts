import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../../../test/helpers/spawn.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { HttpFailure } from './failure.ts'
import { HttpClient, type HttpClientOptions } from './http-client.ts'

const MIB = 1024 * 1024

function connect(options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = new HttpClient({ maxSockets: 4, ...options })
  onTestFinished(() => client.close())
  return client
}

async function listen(server: Server | TcpServer, scheme = 'http'): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

async function serve(answer: Listener): Promise<string> {
  const server = createServer((request, response) => void answer(request, response))
  onTestFinished(() => server.closeAllConnections())
  return await listen(server)
}

/** Says word for word what is given once a request's head is there. */
async function serveRaw(answer: (socket: Socket, nth: number) => void): Promise<string> {
  let count = 0
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    let seen = ''
    socket.on('data', part => {
      seen += part.toString('latin1')
      if (!seen.includes('\r\n\r\n')) return
      seen = ''
      answer(socket, ++count)
    })
  })
  return await listen(server)
}

/** The kind of a failure of ours, or what else was thrown. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  const thrown: unknown = await promise.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  )
  return thrown instanceof HttpFailure ? thrown.kind : thrown
}

async function bodyOf(request: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

test('sends thousands of parts, empty and large ones, as one body of known length', async () => {
  const parts = [randomBytes(3 * MIB), ...Array.from({ length: 5000 }, (_, at) => Buffer.from(at % 5 ? `${at};` : ''))]
  const origin = await serve(async (request, response) => {
    const body = await bodyOf(request)
    response.end(JSON.stringify({ length: request.headers['content-length'], same: body.equals(Buffer.concat(parts)) }))
  })
  const { status, body } = await connect().request({ method: 'PUT', origin, path: '/a', body: parts })
  const length = String(Buffer.concat(parts).length)
  expect([status, JSON.parse(body.toString())]).toEqual([200, { length, same: true }])
})

test('sends a path as it is, with dots, double slashes and escapes', async () => {
  const origin = await serve((request, response) => response.end(request.url))
  const path = '/bucket//a/../b/./%2E%2e/c?x=%20'
  expect((await connect().request({ method: 'GET', origin, path })).body.toString()).toBe(path)
})

test('reads into the caller’s memory what fits, and into its own what does not', async () => {
  const content = randomBytes(MIB)
  const origin = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': content.length }).end(content)
  })
  const client = connect()
  const into = Buffer.alloc(2 * MIB)
  const { body } = await client.request({ method: 'GET', origin, path: '/', into })
  expect(body.buffer).toBe(into.buffer)
  expect(body.equals(content)).toBe(true)
  const small = Buffer.alloc(10)
  const other = await client.request({ method: 'GET', origin, path: '/', into: small })
  expect(other.body.equals(content)).toBe(true)
  expect(small).toEqual(Buffer.alloc(10))
})

test('keeps few connections and uses them again', async () => {
  let connections = 0
  const server = createServer((_request, response) => setImmediate(() => response.end('x')))
  server.on('connection', () => connections++)
  const origin = await listen(server)
  const client = connect({ maxSockets: 3 })
  const get = () => client.request({ method: 'GET', origin, path: '/' })
  await Promise.all(Array.from({ length: 20 }, get))
  await get()
  expect(connections).toBe(3)
})

test('an idle connection does not keep the process alive', async () => {
  const origin = await serve((_request, response) => response.end('done'))
  const script = `
    import { HttpClient } from ${JSON.stringify(join(import.meta.dirname, 'http-client.ts'))}
    const client = new HttpClient({ maxSockets: 2 })
    const { body } = await client.request({ method: 'GET', origin: ${JSON.stringify(origin)}, path: '/' })
    console.log(body.toString())
    setTimeout(() => { console.log('was kept alive'); process.exit(1) }, 10_000).unref()
  `
  const { code, stdout } = await runCommand(process.execPath, ['--input-type=module-typescript', '-e', script])
  expect([code, stdout]).toEqual([0, 'done\n'])
})

test('any status is an answer, a redirect too, and the body of a long error is cut off', async () => {
  const origin = await serve((request, response) => {
    if (request.url === '/moved') response.writeHead(307, { location: '/elsewhere' }).end('moved')
    else if (request.url === '/long') response.writeHead(500).end(Buffer.alloc(5 * MIB, 'x'))
    else response.end('followed')
  })
  const client = connect()
  const moved = await client.request({ method: 'GET', origin, path: '/moved', into: Buffer.alloc(100) })
  expect([moved.status, moved.body.toString()]).toEqual([307, 'moved'])
  const long = await client.request({ method: 'GET', origin, path: '/long' })
  expect([long.status, long.body.length]).toEqual([500, 64 * 1024])
})

test('an answer before the end of the body is taken, and the rest is not sent', async () => {
  const origin = await serve((request, response) => {
    request.once('data', () => response.writeHead(403).end('no'))
  })
  const body = Array.from({ length: 64 }, () => Buffer.alloc(MIB))
  const answer = await connect().request({ method: 'PUT', origin, path: '/', body })
  expect([answer.status, answer.body.toString()]).toEqual([403, 'no'])
})

test.each([
  ['a body that ends early', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort', 'cut'],
  ['a chunked body that ends early', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort', 'cut'],
  ['no answer at all', '', 'cut'],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-', 'cut'],
  ['a success without a length', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwho knows', 'malformed'],
  ['something else than HTTP', 'SSH-2.0-OpenSSH\r\n', 'malformed'],
  ['a longer body than is allowed', `HTTP/1.1 200 OK\r\nContent-Length: ${2 * MIB}\r\n\r\n`, 'malformed'],
  [
    'a longer body than is allowed, in chunks',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n${'x'.repeat(MIB + 1)}\r\n0\r\n\r\n`,
    'malformed',
  ],
])('fails on %s', async (_what, answer, kind) => {
  const origin = await serveRaw(socket => socket.end(answer))
  expect(await failure(connect().request({ method: 'GET', origin, path: '/' }))).toBe(kind)
})

test('a connection that stands still is given up, whether it was to send or to receive', async () => {
  const mute = createTcpServer(() => {})
  const origin = await listen(mute)
  const sockets: Socket[] = []
  mute.on('connection', socket => {
    sockets.push(socket)
    // Reads nothing, so that a large body cannot be sent.
    socket.pause()
  })
  const client = connect({ stallMs: 300 })
  expect(await failure(client.request({ method: 'GET', origin, path: '/' }))).toBe('stalled')
  const body = [Buffer.alloc(64 * MIB)]
  expect(await failure(client.request({ method: 'PUT', origin, path: '/', body }))).toBe('stalled')
  for (const socket of sockets) socket.destroy()
})

test('an answer that comes slowly is waited for as long as anything comes', async () => {
  const origin = await serveRaw(socket => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
    let left = 10
    const timer = setInterval(() => {
      socket.write('x')
      if (--left === 0) clearInterval(timer)
    }, 100)
  })
  const { body } = await connect({ stallMs: 500 }).request({ method: 'GET', origin, path: '/' })
  expect(body.toString()).toBe('xxxxxxxxxx')
})

test('an interrupt ends a request in every state, and then nothing writes into the caller’s memory', async () => {
  const begun: Array<() => void> = []
  const origin = await serve((request, response) => {
    if (request.url === '/quick') return response.end('quick')
    response.writeHead(200, { 'content-length': 8 * MIB })
    response.write(Buffer.alloc(MIB, 1))
    return begun.push(() => response.end(Buffer.alloc(7 * MIB, 2)))
  })
  const client = connect({ maxSockets: 1 })
  const into = Buffer.alloc(8 * MIB)
  const [running, waiting] = [new AbortController(), new AbortController()]
  const first = client.request({
    method: 'GET',
    origin,
    path: '/slow',
    into,
    limitBytes: 8 * MIB,
    signal: running.signal,
    onHead: () => setImmediate(() => running.abort()),
  })
  const second = client.request({ method: 'GET', origin, path: '/quick', signal: waiting.signal })
  waiting.abort()
  expect(await failure(second)).toMatchObject({ code: 'interrupted' })
  expect(await failure(first)).toMatchObject({ code: 'interrupted' })
  into.fill(9)
  for (const goOn of begun) goOn()
  expect((await client.request({ method: 'GET', origin, path: '/quick' })).body.toString()).toBe('quick')
  expect(into.equals(Buffer.alloc(8 * MIB, 9))).toBe(true)
  expect(
    await failure(client.request({ method: 'GET', origin, path: '/', signal: AbortSignal.abort() })),
  ).toMatchObject({ code: 'interrupted' })
})

test('what the caller’s check of the head throws ends the request and comes out as it is', async () => {
  const origin = await serve((_request, response) => response.writeHead(206).end(Buffer.alloc(MIB)))
  const wrong = new Error('another range')
  const onHead = (): never => {
    throw wrong
  }
  expect(await failure(connect().request({ method: 'GET', origin, path: '/', onHead }))).toBe(wrong)
})

/** Answers once on each connection, and cuts it at the next request. */
const dyingServer = (): Promise<string> => {
  const asked = new WeakSet<Socket>()
  return serveRaw(socket => {
    if (asked.has(socket)) socket.resetAndDestroy()
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    asked.add(socket)
  })
}

test('sends again what may be repeated when a kept connection was dead, and nothing else', async () => {
  const origin = await dyingServer()
  const client = connect({ maxSockets: 1 })
  const body = [Buffer.from('x')]
  const kinds = []
  for (const request of [
    { method: 'GET' },
    { method: 'GET' },
    { method: 'PUT', body },
    { method: 'GET' },
    { method: 'PUT', body, repeatable: true },
  ] as const) {
    kinds.push(await failure(client.request({ origin, path: '/', ...request })))
  }
  expect(kinds).toEqual(['nothing was thrown', 'nothing was thrown', 'cut', 'nothing was thrown', 'nothing was thrown'])
})

test('tells a host that is not there from one that does not listen', async () => {
  const closed = createTcpServer()
  const origin = await listen(closed)
  closed.close()
  await once(closed, 'close')
  const client = connect()
  expect(await failure(client.request({ method: 'GET', origin, path: '/' }))).toBe('unreachable')
  const nowhere = 'http://no-such-host.invalid'
  expect(await failure(client.request({ method: 'GET', origin: nowhere, path: '/' }))).toBe('no-host')
})

test('believes a certificate only by an authority that it knows, the person’s own included', async () => {
  const folder = makeTempDir()
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-keyout',
      keyFile,
      '-out',
      certFile,
      ...subject,
    ],
    { stdio: 'ignore' },
  )
  const cert = readFileSync(certFile, 'utf8')
  const server = createTlsServer({ key: readFileSync(keyFile), cert }, (request, response) => {
    void bodyOf(request).then(body => response.end(body))
  })
  const origin = await listen(server, 'https')
  expect(await failure(connect().request({ method: 'GET', origin, path: '/' }))).toBe('untrusted')
  const content = randomBytes(3 * MIB)
  const own = await connect({ ca: cert }).request({
    method: 'PUT',
    origin,
    path: '/',
    body: [content],
    limitBytes: 4 * MIB,
  })
  expect(own.body.equals(content)).toBe(true)
  const plain = await serve((_request, response) => response.end('x'))
  const wrong = connect().request({ method: 'GET', origin: plain.replace('http', 'https'), path: '/' })
  expect(await failure(wrong)).toBe('untrusted')
})

test('goes through the proxy that the environment names, but not to hosts that it leaves out', async () => {
  const origin = await serve((_request, response) => response.end('straight'))
  const proxy = await serve((request, response) => response.end(`by proxy: ${request.url}`))
  const environment = { HTTP_PROXY: proxy }
  const get = async (given: Record<string, string>): Promise<string> =>
    (await connect({ environment: given }).request({ method: 'GET', origin, path: '/a' })).body.toString()
  expect(await get(environment)).toBe(`by proxy: ${origin}/a`)
  expect(await get({ ...environment, NO_PROXY: '127.0.0.1' })).toBe('straight')
})
