import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { testHttpFaults } from '../../../test/contracts/http-faults.ts'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { AZURE_ACCOUNT, AZURE_KEY, describeWithAzure, startAzureServer } from '../../../test/helpers/azure-server.ts'
import { collect } from '../../base/collect.ts'
import { HttpClient } from '../../clients/http/index.ts'
import type { Storage } from '../storage.ts'
import { azure } from './index.ts'
import { azureStorageOver } from './open.ts'
import { locationOf, parseAzureUrl } from './url.ts'

const SAS = 'sv=2021-08-06&ss=b&srt=co&sp=racwdl&sig=planted-signature-31f0'
const ENVIRONMENT = { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_KEY: AZURE_KEY }

async function openBare(
  url: string,
  options: object,
  environment: Record<string, string> = ENVIRONMENT,
): Promise<Storage> {
  const make = await azure.load()
  return await make(url, azure.options.parse(options), adapterContext(environment))
}

async function open(url: string, options: object, environment?: Record<string, string>): Promise<Storage> {
  const storage = await openBare(url, options, environment)
  onTestFinished(() => storage.close())
  return storage
}

describeWithAzure('on a server', () => {
  let server: Awaited<ReturnType<typeof startAzureServer>>
  let count = 0

  beforeAll(async () => {
    server = await startAzureServer()
  })
  afterAll(() => server.close())

  testStorageContract('azure', {
    open: async () => {
      const container = `container-${++count}`
      await server.createContainer(container)
      return await openBare(`azure:${container}:/some/folder`, { endpoint: server.endpoint })
    },
    reopen: async storage => await openBare(storage.location, { endpoint: server.endpoint }),
  })

  testHttpFaults({
    start: async () => {
      const started = await startAzureServer()
      await started.createContainer('faults')
      return started
    },
    open: async (origin, nth, stallMs) => {
      const http = new HttpClient({ maxSockets: 10, stallMs })
      const options = azure.options.parse({ endpoint: `${origin}/${AZURE_ACCOUNT}` })
      return await azureStorageOver(http, `azure:faults:/store${nth}`, options, adapterContext(ENVIRONMENT))
    },
  })

  test('a container that is not there is said to be', async () => {
    const storage = await open('azure:nothing-here:/a', { endpoint: server.endpoint })
    const denied = { code: 'storage-denied', hint: expect.stringContaining('Make the container first') }
    await expect(storage.save('config', Buffer.from('x'))).rejects.toMatchObject(denied)
    await expect(storage.load('config')).rejects.toMatchObject(denied)
    await expect(collect(storage.list(''))).rejects.toMatchObject(denied)
  })

  test('what is rarely read may go to the archive, is told to be there, and comes back when it is asked for', async () => {
    await server.createContainer('archive')
    const storage = await open('azure:archive:/a', { endpoint: server.endpoint, accessTier: 'Archive' })
    const key = `data/3f/3f${'a'.repeat(62)}`
    await storage.save(key, Buffer.from('data'), { isRarelyRead: true })
    await storage.save('config', Buffer.from('config'))
    expect(await storage.find(key)).toMatchObject({ storageClass: 'Archive', archived: 'archived' })
    expect(await collect(storage.list(''))).toMatchObject([{ key: 'config' }, { key, archived: 'archived' }])
    await expect(storage.load(key)).rejects.toMatchObject({ code: 'storage-archived', exitCode: 27 })
    expect(String(await storage.load('config'))).toBe('config')
    expect(storage.archive?.thawMs({})).toBe(15 * 3_600_000)
    await storage.archive?.thaw(key)
    // The emulator needs no hours for it.
    expect((await storage.find(key))?.archived).toBeUndefined()
    expect(String(await storage.load(key))).toBe('data')
  })

  test('a wrong key is said to be, and is in no error', async () => {
    const key = Buffer.from('another planted secret').toString('base64')
    const storage = await open(
      'azure:some:/',
      { endpoint: server.endpoint },
      { ...ENVIRONMENT, AZURE_ACCOUNT_KEY: key },
    )
    const error = await storage.load('config').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'storage-denied', hint: expect.stringContaining('AZURE_ACCOUNT_KEY') })
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(key)
  })
})

describe('a server of our own', () => {
  async function serve(
    answer: (url: string, response: ServerResponse, headers: IncomingHttpHeaders) => void,
  ): Promise<string> {
    const server = createServer((request, response) => {
      request.resume().on('end', () => answer(request.url ?? '', response, request.headers))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test.each([
    [403, 'AuthorizationPermissionMismatch', 'storage-denied'],
    [404, 'BlobNotFound', 'storage-not-found'],
    [409, 'BlobAlreadyExists', 'storage-exists'],
    [409, 'BlobArchived', 'storage-archived'],
    [409, 'BlobBeingRehydrated', 'storage-archived'],
    [409, 'BlobImmutableDueToPolicy', 'storage-locked'],
    [409, 'Whatever', 'storage-failed'],
    [412, 'ConditionNotMet', 'storage-exists'],
    [416, 'InvalidRange', 'storage-too-short'],
    [400, 'Md5Mismatch', 'storage-failed'],
    [500, 'OperationTimedOut', 'storage-failed'],
    [503, 'ServerBusy', 'storage-busy'],
    [507, '', 'storage-full'],
  ])('status %i, %s, is %s', async (status, said, code) => {
    const endpoint = await serve((_url, response) => {
      response.writeHead(status, { 'content-length': 0, ...(said ? { 'x-ms-error-code': said } : {}) }).end()
    })
    const storage = await open('azure:some:/', { endpoint })
    await expect(storage.load('config')).rejects.toMatchObject({ code })
  })

  test('a signature goes along with each request, and into no location and no error', async () => {
    const urls: string[] = []
    const endpoint = await serve((url, response) => {
      urls.push(url)
      response.writeHead(403, { 'content-length': 0, 'x-ms-error-code': 'AuthenticationFailed' }).end()
    })
    const environment = { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_SAS: `?${SAS}` }
    const storage = await open('azure:some:/a', { endpoint }, environment)
    const error = await storage.load('config').catch((thrown: unknown) => thrown)
    expect(urls).toEqual([`/some/a/config?${SAS}`])
    expect(storage.location + JSON.stringify(error) + String((error as Error).stack)).not.toContain('planted-signature')
  })

  test('what is rarely read goes to the tier that was asked for, and nothing else does', async () => {
    const tiers: Array<readonly [string, unknown]> = []
    const endpoint = await serve((url, response, headers) => {
      tiers.push([url, headers['x-ms-access-tier']])
      response.writeHead(201, { 'content-length': 0 }).end()
    })
    const storage = await open('azure:some:/', { endpoint, accessTier: 'Cool' })
    await storage.save('data/3f/3f2a', Buffer.from('pack'), { isRarelyRead: true })
    await storage.save('data/41/41aa', Buffer.from('pack of trees'))
    await storage.save('config', Buffer.from('config'))
    expect(tiers).toEqual([
      ['/some/data/3f/3f2a', 'Cool'],
      ['/some/data/41/41aa', undefined],
      ['/some/config', undefined],
    ])
  })

  test.each([
    ['rehydrate-pending-to-hot', 'thawing'],
    ['', 'archived'],
  ])('a blob of the archive with status "%s" is %s', async (status, archived) => {
    const endpoint = await serve((_url, response) => {
      const headers = { 'x-ms-access-tier': 'Archive', ...(status === '' ? {} : { 'x-ms-archive-status': status }) }
      response.writeHead(200, { 'content-length': 4, ...headers }).end()
    })
    const storage = await open('azure:some:/', { endpoint })
    expect(await storage.find('config')).toMatchObject({ archived, storageClass: 'Archive' })
  })

  test('blobs are stored with the encryption scope that was asked for', async () => {
    const scopes: unknown[] = []
    const endpoint = await serve((_url, response, headers) => {
      scopes.push(headers['x-ms-encryption-scope'])
      response.writeHead(201, { 'content-length': 0 }).end()
    })
    const storage = await open('azure:some:/', { endpoint, encryptionScope: 'my-scope' })
    await storage.save('config', Buffer.from('config'))
    expect(scopes).toEqual(['my-scope'])
    expect(azure.options.safeParse({ encryptionScope: 'a scope' }).error?.issues[0]?.message).toMatch(
      /encryption scope/,
    )
  })

  test('an identity’s token is asked for once for all requests', async () => {
    let tokens = 0
    const endpoint = await serve((url, response) => {
      const body = url.startsWith('/tenant/')
        ? JSON.stringify({ access_token: `T${++tokens}`, expires_in: '3600' })
        : 'content'
      response.writeHead(200, { 'content-length': body.length }).end(body)
    })
    const environment = {
      AZURE_ACCOUNT_NAME: AZURE_ACCOUNT,
      AZURE_TENANT_ID: 'tenant',
      AZURE_CLIENT_ID: 'client',
      AZURE_CLIENT_SECRET: 'planted-client-secret',
      AZURE_AUTHORITY_HOST: endpoint,
    }
    const storage = await open('azure:some:/', { endpoint }, environment)
    const loaded = await Promise.all([storage.load('config'), storage.load('config'), storage.load('config')])
    expect([String(loaded[0]), tokens]).toEqual(['content', 1])
  })

  test.each([
    ['no account', {}, {}, /no storage account/],
    ['an account that cannot be', {}, { AZURE_ACCOUNT_NAME: 'x/y' }, /cannot be the name/],
    [
      'a signature that is none',
      {},
      { AZURE_ACCOUNT_NAME: 'some', AZURE_ACCOUNT_SAS: 'abc' },
      /signature for Azure is none/,
    ],
    [
      'a signature in clear',
      { endpoint: 'http://far.example' },
      { AZURE_ACCOUNT_NAME: 'some', AZURE_ACCOUNT_SAS: SAS },
      /in clear/,
    ],
  ])('%s is refused before anything is sent', async (_, options, environment, message) => {
    await expect(openBare('azure:some:/', options, environment as Record<string, string>)).rejects.toMatchObject({
      code: 'storage-denied',
      message: expect.stringMatching(message),
    })
  })
})

test.each([
  ['azure:backups:/shop', 'backups', 'shop/', 'azure:backups:/shop'],
  ['azure:backups:shop//of/./ours/', 'backups', 'shop/of/ours/', 'azure:backups:/shop/of/ours'],
  ['azure:backups:/', 'backups', '', 'azure:backups:/'],
])('reads %s as restic does', (url, container, prefix, location) => {
  expect([parseAzureUrl(url), locationOf(parseAzureUrl(url))]).toEqual([{ container, prefix }, location])
})

test.each([
  'azure:',
  'azure:backups',
  'azure:Back:/x',
  'azure:b--c:/',
  'azure:backups:/../x',
  'azure:backups:/a?sig=x',
])('refuses %s', url => {
  expect(() => parseAzureUrl(url)).toThrow(expect.objectContaining({ code: 'usage' }))
})
