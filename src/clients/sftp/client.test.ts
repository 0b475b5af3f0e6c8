import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Answering, FakeSftpServer, type Request, statusPacket } from '../../../test/helpers/fake-sftp-server.ts'
import { StandingClock, settled } from '../../../test/helpers/standing-clock.ts'
import { bandwidthOf } from '../../base/bandwidth.ts'
import { SftpClient } from './client.ts'
import { SftpStatusError } from './errors.ts'
import { encodePacket, TYPE } from './packets.ts'

const HANDLE = Buffer.from('h')
const content = randomBytes(300_000)

/** A file server with one file; answers READ and WRITE as it should. */
const honest: Answering = ({ type, id, body }) => {
  if (type === TYPE.open || type === TYPE.opendir) return [encodePacket(TYPE.handle, id, [HANDLE])]
  if (type === TYPE.read) {
    const { offset, length } = readFields(body)
    const data = content.subarray(offset, offset + length)
    return [data.length === 0 ? statusPacket(id, 1) : encodePacket(TYPE.data, id, [data])]
  }
  return [statusPacket(id, 0)]
}

function readFields(body: Buffer): { offset: number; length: number } {
  const at = 4 + body.readUInt32BE(0)
  return { offset: Number(body.readBigUInt64BE(at)), length: body.readUInt32BE(at + 8) }
}

const start = async (answer: Answering, stallMs = 5000): Promise<{ server: FakeSftpServer; client: SftpClient }> => {
  const server = new FakeSftpServer(answer)
  return { server, client: await SftpClient.start(server, stallMs) }
}

const instead =
  (type: number, answer: (request: Request) => ReturnType<Answering>): Answering =>
  request =>
    request.type === type ? answer(request) : honest(request)

test('reads what is there into the memory of its caller, whatever pieces it comes in', async () => {
  const inPieces: Answering = request =>
    honest(request).flatMap((answer): Array<Uint8Array | 'hang-up'> => {
      if (answer === 'hang-up') return [answer]
      const cuts = [0, 1, 4, 12, 13, 14, 1000, answer.length]
      return cuts.slice(1).map((cut, at) => answer.subarray(cuts[at], cut))
    })
  const { client } = await start(inPieces)
  const into = Buffer.alloc(content.length + 10)
  expect(await client.read(HANDLE, 0, into)).toBe(content.length)
  expect(into.subarray(0, content.length).equals(content)).toBe(true)
  expect(await client.read(HANDLE, 100, into.subarray(0, 50))).toBe(50)
  expect(into.subarray(0, 50)).toEqual(content.subarray(100, 150))
})

test('asks again for what a server leaves out of an answer', async () => {
  const { client, server } = await start(
    instead(TYPE.read, ({ id, body }) => {
      const { offset, length } = readFields(body)
      return [encodePacket(TYPE.data, id, [content.subarray(offset, offset + Math.min(length, 10_000))])]
    }),
  )
  const into = Buffer.alloc(100_000)
  expect(await client.read(HANDLE, 0, into)).toBe(100_000)
  expect(into.equals(content.subarray(0, 100_000))).toBe(true)
  expect(server.requests.length).toBeGreaterThan(10)
})

test('writes parts of any length in chunks of 32 KiB', async () => {
  const written = Buffer.alloc(200_000)
  const { client } = await start(
    instead(TYPE.write, ({ id, body }) => {
      const at = 4 + body.readUInt32BE(0)
      const data = body.subarray(at + 12)
      expect(data.length).toBe(Math.min(32 * 1024, body.readUInt32BE(at + 8)))
      data.copy(written, Number(body.readBigUInt64BE(at)))
      return [statusPacket(id, 0)]
    }),
  )
  const whole = content.subarray(0, written.length)
  const parts = [whole.subarray(0, 1), whole.subarray(1, 1), whole.subarray(1, 100_000), whole.subarray(100_000)]
  await client.write(HANDLE, parts)
  expect(written.equals(whole)).toBe(true)
})

test('has at most 4 MiB under way, however much is to be written', async () => {
  const { client, server } = await start(instead(TYPE.write, () => []))
  const controller = new AbortController()
  const writing = client.write(HANDLE, [Buffer.alloc(10_000_000)], controller.signal)
  while (server.requests.length < 128) await wait(1)
  await wait(20)
  expect(server.requests.length).toBe(128)
  controller.abort()
  await expect(writing).rejects.toMatchObject({ code: 'interrupted' })
})

test.each<[string, Answering]>([
  ['an answer to what was not asked', instead(TYPE.read, ({ id }) => [statusPacket(id + 7, 0)])],
  ['a packet longer than any', instead(TYPE.read, () => [Buffer.from('ffffffff6700000000000000ff', 'hex')])],
  ['a packet shorter than any', instead(TYPE.read, () => [Buffer.from('00000001650000000000000000', 'hex')])],
  [
    'more data than was asked for',
    instead(TYPE.read, ({ id }) => [encodePacket(TYPE.data, id, [Buffer.alloc(40_000)])]),
  ],
  ['no data', instead(TYPE.read, ({ id }) => [encodePacket(TYPE.data, id, [''])])],
  [
    'data shorter than it says',
    instead(TYPE.read, ({ id }) => [encodePacket(TYPE.data, id, [{ uint32: 5 }, { uint32: 1 }])]),
  ],
  [
    'a packet that is cut off',
    instead(TYPE.read, ({ id }) => [encodePacket(TYPE.data, id, [Buffer.alloc(50)]).subarray(0, 30), 'hang-up']),
  ],
  ['nothing, and hangs up', instead(TYPE.read, () => ['hang-up'])],
  ['an answer of another kind', instead(TYPE.read, ({ id }) => [encodePacket(TYPE.name, id, [{ uint32: 0 }])])],
])('a server that sends %s fails the call, and does not hang it', async (_, answer) => {
  const { client } = await start(answer)
  await expect(client.read(HANDLE, 0, Buffer.alloc(1000))).rejects.toMatchObject({ name: 'SftpConnectionError' })
})

test('a server that says nothing is given up, with all that waits for it, and not before something is asked', async () => {
  const { client, server } = await start(
    instead(TYPE.read, () => []),
    200,
  )
  await wait(500)
  expect(client.hasEnded).toBe(false)
  const calls = [client.read(HANDLE, 0, Buffer.alloc(10)), client.read(HANDLE, 0, Buffer.alloc(10))]
  for (const call of calls) await expect(call).rejects.toMatchObject({ problem: 'stalled' })
  expect(client.hasEnded).toBe(true)
  expect(server.isStopped).toBe(true)
  await expect(client.stat('/')).rejects.toMatchObject({ problem: 'stalled' })
})

test('a server that never greets is given up', async () => {
  const server = new FakeSftpServer(honest, Buffer.alloc(0))
  await expect(SftpClient.start(server, 200)).rejects.toMatchObject({ problem: 'stalled' })
})

test.each([
  ['a shell that prints something', 'Last login: today\n', 'no-sftp', /"Last login: today"/],
  ['a server of an older protocol', encodePacket(TYPE.version, undefined, [{ uint32: 2 }]), 'protocol', /version 2/],
])('%s is told as what it is', async (_, greeting, problem, message) => {
  const server = new FakeSftpServer(honest, Buffer.from(greeting))
  await expect(SftpClient.start(server, 5000)).rejects.toMatchObject({
    problem,
    message: expect.stringMatching(message) as string,
  })
})

test('an interrupted read leaves its memory alone, and the connection goes on', async () => {
  const held: Buffer[] = []
  const { client, server } = await start(
    instead(TYPE.read, request => {
      const [whole] = honest(request)
      if (readFields(request.body).offset > 0 || !(whole instanceof Uint8Array)) return honest(request)
      // The rest comes when the caller has given up.
      held.push(Buffer.from(whole.subarray(20)))
      return [whole.subarray(0, 20)]
    }),
  )
  const into = Buffer.alloc(1000)
  const controller = new AbortController()
  const reading = client.read(HANDLE, 0, into, controller.signal)
  setTimeout(() => controller.abort(), 20)
  await expect(reading).rejects.toMatchObject({ code: 'interrupted' })
  const before = Buffer.from(into)
  for (const bytes of held) server.sayLater(bytes)
  const again = Buffer.alloc(10)
  expect(await client.read(HANDLE, 2000, again)).toBe(10)
  expect(again).toEqual(content.subarray(2000, 2010))
  expect(into).toEqual(before)
})

test('a write that is given up while the server stands still takes the connection with it', async () => {
  const { client, server } = await start(instead(TYPE.write, () => []))
  const controller = new AbortController()
  const writing = client.write(HANDLE, [Buffer.alloc(10_000_000)], controller.signal)
  setTimeout(() => controller.abort(), 20)
  await expect(writing).rejects.toMatchObject({ code: 'interrupted' })
  expect(server.isStopped).toBe(true)
})

test('a refused call says what the server said, fit for a terminal, and the connection goes on', async () => {
  const { client } = await start(instead(TYPE.stat, ({ id }) => [statusPacket(id, 3, '\u001b[2Jno')]))
  await expect(client.stat('/')).rejects.toMatchObject({ status: 3, message: String.raw`\x1b[2Jno` })
  await expect(client.stat('/')).rejects.toBeInstanceOf(SftpStatusError)
  expect(await client.read(HANDLE, 0, Buffer.alloc(5))).toBe(5)
})

const page = (id: number, names: readonly string[]): Buffer =>
  encodePacket(TYPE.name, id, [{ uint32: names.length }, ...names.flatMap(name => [name, '', { uint32: 0 }])])

test('a listing is all pages of it, each name once, without dots', async () => {
  const pages = [
    ['.', '..'],
    ['a', 'b'],
    ['b', 'c'],
  ]
  const { client } = await start(
    instead(TYPE.readdir, ({ id }) => {
      const names = pages.shift()
      return [names ? page(id, names) : statusPacket(id, 1)]
    }),
  )
  expect((await client.listFolder('/')).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
})

test.each([
  ['repeats itself', (id: number) => page(id, ['a'])],
  ['gives nothing', (id: number) => page(id, [])],
  ['claims more names than it sends', (id: number) => encodePacket(TYPE.name, id, [{ uint32: 0xffffffff }, 'a'])],
])('a listing that %s is an error, not a hang', async (_, answer) => {
  const { client } = await start(instead(TYPE.readdir, ({ id }) => [answer(id)]))
  await expect(client.listFolder('/')).rejects.toMatchObject({ problem: 'protocol' })
})

test('what is written and read keeps to a limit over all calls, and what was not there is not counted', async () => {
  const clock = new StandingClock()
  const server = new FakeSftpServer(honest)
  const KIB = 1024
  const client = await SftpClient.start(server, 5000, bandwidthOf([{ up: 32 * KIB, down: 64 * KIB }], clock))
  const writes = (): number => server.requests.filter(({ type }) => type === TYPE.write).length
  const writing = Promise.all([
    client.write(HANDLE, [content.subarray(0, 96 * KIB)]),
    client.write(HANDLE, [content.subarray(0, 64 * KIB)]),
  ])
  await clock.advance(1000)
  expect(writes()).toBeLessThanOrEqual(2)
  await clock.advance(1000)
  expect(writes()).toBeLessThanOrEqual(3)
  await clock.advance(4000)
  await writing
  expect(writes()).toBe(5)
  // Two short reads at the end of the file take what they get, not what they asked for.
  await clock.advance(10_000)
  let ended = 0
  const reading = [1, 2, 3].map(async () => {
    expect(await client.read(HANDLE, content.length - 1000, Buffer.alloc(32 * KIB))).toBe(1000)
    ended++
  })
  await clock.advance(600)
  expect(ended).toBeGreaterThanOrEqual(2)
  await clock.advance(2000)
  await Promise.all(reading)
})

test('an interrupt ends a limited write at once', async () => {
  const client = await SftpClient.start(
    new FakeSftpServer(honest),
    5000,
    bandwidthOf([{ up: 1024 }], new StandingClock()),
  )
  const stop = new AbortController()
  const writing = client.write(HANDLE, [content], stop.signal)
  await settled()
  stop.abort()
  await expect(writing).rejects.toMatchObject({ code: 'interrupted' })
})
