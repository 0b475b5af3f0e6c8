import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bandwidthOf, type LineLimit } from '../../base/bandwidth.ts'
import { systemClock } from '../../base/clock.ts'
import { HttpClient } from './index.ts'

const KIB = 1024
/** What was sent with each arrival of bytes at the server, from the first on. */
let arrivals: Array<{ readonly atMs: number; readonly bytes: number }>
let server: Server
let http: HttpClient | undefined

beforeEach(async () => {
  arrivals = []
  server = createServer((request, response) => {
    request.on('data', (part: Buffer) => arrivals.push({ atMs: performance.now(), bytes: part.length }))
    request.on('end', () => {
      const body = Buffer.alloc(request.method === 'GET' ? 256 * KIB : 0, 7)
      response.writeHead(200, { 'content-length': body.length }).end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(() => {
  http?.close()
  server.closeAllConnections()
  server.close()
})

const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function connect(limit: LineLimit, stallMs = 90_000): HttpClient {
  http = new HttpClient({ maxSockets: 4, stallMs, bandwidth: bandwidthOf([limit], systemClock) })
  return http
}

/** The most bytes that came within any so long. */
function mostWithin(ms: number): number {
  return Math.max(
    ...arrivals.map(first =>
      arrivals
        .filter(({ atMs }) => atMs >= first.atMs && atMs < first.atMs + ms)
        .reduce((sum, { bytes }) => sum + bytes, 0),
    ),
  )
}

test('several bodies together go out evenly and at no more than the rate', async () => {
  const client = connect({ up: 1024 * KIB })
  const started = performance.now()
  const body = [Buffer.alloc(100 * KIB, 1), Buffer.alloc(156 * KIB, 2)]
  const put = () => client.request({ method: 'PUT', origin: origin(), path: '/x', body })
  await Promise.all([put(), put(), put(), put()])
  const seconds = (performance.now() - started) / 1000
  expect(arrivals.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(1024 * KIB)
  expect(seconds).toBeGreaterThan(0.85)
  // Unlimited, all of it came within some milliseconds.
  expect(mostWithin(100)).toBeLessThan(400 * KIB)
})

test('what comes is taken at no more than the rate, and is whole', async () => {
  const client = connect({ down: 512 * KIB })
  const started = performance.now()
  const get = () => client.request({ method: 'GET', origin: origin(), path: '/x', body: [] })
  const [one, two] = await Promise.all([get(), get()])
  expect((performance.now() - started) / 1000).toBeGreaterThan(0.7)
  for (const answer of [one, two]) expect(answer?.body.equals(Buffer.alloc(256 * KIB, 7))).toBe(true)
})

test('standing still for a limit is no stall', async () => {
  // A slice a second, twice; the watchdog barks after a tenth of one.
  const client = connect({ up: 1 * KIB, down: 1 * KIB }, 100)
  const answer = await client.request({
    method: 'PUT',
    origin: origin(),
    path: '/x',
    body: [Buffer.alloc(2 * KIB + 1)],
  })
  expect(answer.status).toBe(200)
}, 10_000)

test('a server that stands still is one nevertheless', async () => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const client = connect({ up: 1024 * KIB, down: 1024 * KIB }, 100)
  const asked = client.request({
    method: 'PUT',
    origin: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    path: '/x',
    body: [Buffer.alloc(10)],
  })
  await expect(asked).rejects.toMatchObject({ kind: 'stalled' })
  silent.closeAllConnections()
  silent.close()
})

test('an interrupt ends a limited request at once', async () => {
  const client = connect({ up: 1 * KIB })
  const stop = new AbortController()
  const body = [Buffer.alloc(1024 * KIB)]
  const putting = [1, 2].map(() =>
    client.request({ method: 'PUT', origin: origin(), path: '/x', body, signal: stop.signal }),
  )
  setTimeout(() => stop.abort(), 20)
  const started = performance.now()
  const ends = await Promise.allSettled(putting)
  expect(ends).toMatchObject([1, 2].map(() => ({ status: 'rejected', reason: { code: 'interrupted' } })))
  expect(performance.now() - started).toBeLessThan(900)
})
