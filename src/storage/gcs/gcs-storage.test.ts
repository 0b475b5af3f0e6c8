import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { testHttpFaults } from '../../../test/contracts/http-faults.ts'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { describeWithGcs, startGcsServer } from '../../../test/helpers/gcs-server.ts'
import { collect } from '../../base/collect.ts'
import { HttpClient } from '../../clients/http/index.ts'
import type { Storage } from '../storage.ts'
import { gcs } from './index.ts'
import { gcsStorageOver } from './open.ts'
import { locationOf, parseGcsUrl } from './url.ts'

const TOKEN = 'planted-google-token-77c1'

async function openBare(url: string, environment: Record<string, string>, options: object = {}): Promise<Storage> {
  const make = await gcs.load()
  return await make(url, gcs.options.parse(options), adapterContext(environment))
}

async function open(url: string, environment: Record<string, string>, options?: object): Promise<Storage> {
  const storage = await openBare(url, environment, options)
  onTestFinished(() => storage.close())
  return storage
}

describeWithGcs('on a server', () => {
  let server: Awaited<ReturnType<typeof startGcsServer>>
  let count = 0

  beforeAll(async () => {
    server = await startGcsServer()
  })
  afterAll(() => server.close())

  const environment = (): Record<string, string> => ({ STORAGE_EMULATOR_HOST: `127.0.0.1:${server.port}` })

  testStorageContract('gcs', {
    open: async () => {
      const bucket = `bucket-${++count}`
      await server.createBucket(bucket)
      return await openBare(`gs:${bucket}:/some/folder`, environment())
    },
    reopen: async storage => await openBare(storage.location, environment()),
  })

  testHttpFaults({
    start: async () => {
      const started = await startGcsServer()
      await started.createBucket('faults')
      return started
    },
    open: async (origin, nth, stallMs) => {
      const http = new HttpClient({ maxSockets: 10, stallMs })
      const context = adapterContext({ STORAGE_EMULATOR_HOST: origin })
      return await gcsStorageOver(http, `gs:faults:/store${nth}`, gcs.options.parse({}), context)
    },
  })

  test('what else lies in the bucket is not seen, and not touched', async () => {
    await server.createBucket('shared')
    const [whole, one] = [await open('gs:shared:/', environment()), await open('gs:shared:/one', environment())]
    await whole.save('onetoo/config', Buffer.from('x'))
    await one.save('config', Buffer.from('y'))
    expect(await collect(one.listKeys(''))).toEqual(['config'])
    expect((await collect(whole.listKeys(''))).toSorted()).toEqual(['one/config', 'onetoo/config'])
  })

  test('a bucket that is not there is said to be', async () => {
    const storage = await open('gs:nothing-here:/a', environment())
    const denied = { code: 'storage-denied', hint: expect.stringContaining('Make the bucket first') }
    await expect(storage.save('config', Buffer.from('x'))).rejects.toMatchObject(denied)
    await expect(collect(storage.list(''))).rejects.toMatchObject(denied)
  })
})

describe('a server that says no', () => {
  async function refusing(status: number, reason: string, headers: Record<string, string> = {}): Promise<Storage> {
    const server = createServer((_request, response: ServerResponse) => {
      const body = JSON.stringify({ error: { code: status, message: `no ${TOKEN}?x=1`, errors: [{ reason }] } })
      response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return await open('gs:bucket:/', { STORAGE_EMULATOR_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}` })
  }

  test.each([
    [401, 'authError', 'storage-denied'],
    [403, 'forbidden', 'storage-denied'],
    [403, 'rateLimitExceeded', 'storage-busy'],
    [403, 'quotaExceeded', 'storage-full'],
    [403, 'retentionPolicyNotMet', 'storage-locked'],
    [404, 'notFound', 'storage-not-found'],
    [412, 'conditionNotMet', 'storage-exists'],
    [416, 'requestedRangeNotSatisfiable', 'storage-too-short'],
    [429, 'rateLimitExceeded', 'storage-busy'],
    [500, 'backendError', 'storage-failed'],
    [503, '', 'storage-busy'],
  ])('status %i, %s, is %s', async (status, reason, code) => {
    const storage = await refusing(status, reason)
    await expect(storage.load('config')).rejects.toMatchObject({ code })
  })

  test('how long to leave it alone is passed on', async () => {
    const storage = await refusing(429, 'rateLimitExceeded', { 'retry-after': '7' })
    await expect(storage.load('config')).rejects.toMatchObject({ context: { retryAfterMs: 7000 } })
  })
})

test.each([
  ['gs:backups:/shop', 'backups', 'shop/', 'gs:backups:/shop'],
  ['gs:backups:shop//of/./ours/', 'backups', 'shop/of/ours/', 'gs:backups:/shop/of/ours'],
  ['gs://backups/shop', 'backups', 'shop/', 'gs:backups:/shop'],
  ['gs:backups:/', 'backups', '', 'gs:backups:/'],
])('reads %s as restic does', (url, bucket, prefix, location) => {
  expect([parseGcsUrl(url), locationOf(parseGcsUrl(url))]).toEqual([{ bucket, prefix }, location])
})

test.each(['gs:', 'gs:backups', 'gs:Back_Ups!:/x', 'gs:backups:/../x', 'gs:backups:/a?b', 'gs::/x'])(
  'refuses %s',
  url => {
    expect(() => parseGcsUrl(url)).toThrow(expect.objectContaining({ code: 'usage' }))
  },
)
