import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { FAULT_CONTENT, STORAGE_CALLS, sleeplessClock, testHttpFaults } from '../../../test/contracts/http-faults.ts'
import { FaultProxy } from '../../../test/helpers/fault-proxy.ts'
import { S3_CASES } from '../../../test/helpers/s3-faults.ts'
import { describeWithS3, type S3Server, startS3Server } from '../../../test/helpers/s3-server.ts'
import { openTestS3 } from '../../../test/helpers/s3-storage.ts'
import { SlowLine } from '../../../test/helpers/slow-line.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Storage } from '../storage.ts'

const STALL_MS = 400

describeWithS3('faults of any service, and of S3', () => {
  testHttpFaults({
    start: async () => {
      const server = await startS3Server()
      await server.createBucket('faults')
      return server
    },
    open: async (origin, nth, stallMs) => await openTestS3(`s3:${origin}/faults/store${nth}`, { stallMs }),
    cases: S3_CASES,
  })
})

describeWithS3('a server that lies in the words of S3', () => {
  let server: S3Server
  let proxy: FaultProxy
  let url: string
  let storage: Storage
  let count = 0

  beforeAll(async () => {
    server = await startS3Server()
    proxy = await FaultProxy.start(server.port)
    await server.createBucket('faults')
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })
  beforeEach(async () => {
    url = `s3:${proxy.origin}/faults/store${++count}`
    storage = await openTestS3(url, { stallMs: STALL_MS })
    await storage.save('config', FAULT_CONTENT)
    await storage.save('locks/a', Buffer.from('a lock'))
    proxy.forget()
  })
  afterEach(() => storage.close())

  const listing = (...pages: ReadonlyArray<readonly [keys: readonly string[], token?: string]>) => {
    let at = 0
    proxy.plan = ({ query }) => {
      if (query.get('list-type') !== '2') return undefined
      const [keys = [], token] = pages[Math.min(at++, pages.length - 1)] ?? []
      const contents = keys.map(key => `<Contents><Key>store${count}%2F${key}</Key><Size>1</Size></Contents>`)
      const more =
        token === undefined
          ? 'false'
          : `true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken><IsTruncated>true`
      const body = `<ListBucketResult><EncodingType>url</EncodingType>${contents.join('')}<IsTruncated>${more}</IsTruncated></ListBucketResult>`
      return { answer: { status: 200, body: Buffer.from(body) } }
    }
  }
  const keysOf = async (): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of storage.list('')) keys.push(key)
    return keys
  }
  const refused = { code: 'storage-failed', message: expect.stringContaining('a listing') }

  test('turns the pages of a listing, and passes over what is no key of ours', async () => {
    listing([['config', 'data%2Fa+b'], '1'], [[], '2'], [['tmp%2Fx', 'x']])
    expect(await keysOf()).toEqual(['config', 'x'])
  })

  test('refuses a page token that comes twice', async () => {
    listing([['a'], '1'], [['b'], '2'], [['c'], '1'])
    await expect(keysOf()).rejects.toMatchObject(refused)
  })

  test('refuses a page that comes twice under another token', async () => {
    listing([['a', 'b'], '1'], [['a', 'b'], '2'], [['c']])
    await expect(keysOf()).rejects.toMatchObject(refused)
  })

  test.each([
    ['that says there is more, and not where', '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'],
    ['that does not say whether there is more', '<ListBucketResult></ListBucketResult>'],
    [
      'with an object without a size',
      '<ListBucketResult><Contents><Key>store/a</Key></Contents><IsTruncated>false</IsTruncated></ListBucketResult>',
    ],
    [
      'of another prefix',
      '<ListBucketResult><Contents><Key>other/a</Key><Size>1</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>',
    ],
    [
      'with an entity',
      '<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult><IsTruncated>&b;</IsTruncated></ListBucketResult>',
    ],
    ['that is no listing', '<html></html>'],
    ['of nothing', ''],
  ])('refuses a listing %s', async (_what, body) => {
    proxy.once({ answer: { status: 200, body: Buffer.from(body) } })
    await expect(keysOf()).rejects.toMatchObject(refused)
  })

  test('signs with the server’s time when the own clock is wrong, says so once, and needs no word from HEAD', async () => {
    const warned: string[] = []
    const wrong = { ...sleeplessClock, now: () => new Date(Date.now() - 3_600_000) }
    const late = await openTestS3(url, {
      context: { clock: wrong, logger: { ...silentLogger, warn: message => void warned.push(message) } },
    })
    expect(await late.find('config')).toMatchObject({ sizeBytes: 300_000 })
    await STORAGE_CALLS.save(late)
    await STORAGE_CALLS.list(late).catch(() => {})
    expect(warned).toEqual([expect.stringMatching(/^the clock of this machine is 60 min behind that of http:/)])
    await late.close()
  })

  test('learns the region once from the server, unless it was told which', async () => {
    const warned: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warned.push(message) }
    const environment = { ...server.environment, AWS_REGION: 'eu-west-9' }
    proxy.plan = ({ headers }) =>
      headers.authorization?.includes('/eu-west-9/')
        ? {
            answer: {
              status: 400,
              body: Buffer.from(
                '<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>us-east-1</Region></Error>',
              ),
            },
          }
        : undefined
    const learning = await openTestS3(url, { context: { logger, environment } })
    await STORAGE_CALLS.load(learning)
    expect(warned).toEqual(['the bucket faults is in the region us-east-1, not in eu-west-9'])
    const told = await openTestS3(url, { options: { region: 'eu-west-9' } })
    await expect(told.load('config')).rejects.toMatchObject({
      code: 'storage-denied',
      hint: 'Set the region of the bucket: storage: { region: NAME }. The server says that it is us-east-1.',
    })
    await learning.close()
    await told.close()
  })

  test('says which of the server’s refusals it was, and what to do', async () => {
    const environment = { ...server.environment, AWS_SECRET_ACCESS_KEY: 'planted-wrong-secret' }
    const wrongKey = await openTestS3(url, { context: { environment } })
    const refusal = await wrongKey.load('config').catch((caught: unknown) => caught)
    expect(refusal).toMatchObject({ code: 'storage-denied', hint: expect.stringContaining('AWS_SECRET_ACCESS_KEY') })
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('planted')
    // HEAD alone would not say why.
    await expect(wrongKey.find('config')).rejects.toMatchObject({
      message: expect.stringContaining('SignatureDoesNotMatch'),
    })
    const unknown = { ...server.environment, AWS_ACCESS_KEY_ID: 'AKIDUNKNOWN' }
    await expect((await openTestS3(url, { context: { environment: unknown } })).load('config')).rejects.toMatchObject({
      code: 'storage-denied',
    })
    const noBucket = await openTestS3(`s3:${server.origin}/no-such-bucket/a`)
    await expect(noBucket.save('config', FAULT_CONTENT)).rejects.toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('Make the bucket first'),
    })
    const none = await openTestS3(url, { context: { environment: { AWS_EC2_METADATA_DISABLED: 'true' } } })
    await expect(none.load('config')).rejects.toMatchObject({
      message: expect.stringMatching(/^no credentials for S3/),
    })
  })

  test('a line that breaks in the middle of an object gives no byte of it, and the next attempt goes on', async () => {
    const line = await SlowLine.start(server.port, { cutAfterBytes: 100_000 })
    const far = await openTestS3(`s3:http://127.0.0.1:${line.port}/faults/store${count}`)
    await expect(far.load('config')).rejects.toMatchObject({ code: 'storage-failed' })
    line.properties = { latencyMs: 5, bytesPerSecond: 10_000_000 }
    await STORAGE_CALLS.load(far)
    await far.close()
    await line.close()
  })
})
