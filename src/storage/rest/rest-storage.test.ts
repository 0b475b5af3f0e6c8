import { createHash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { RestServer, skipRest } from '../../../test/helpers/rest-server.ts'
import type { Storage } from '../storage.ts'
import { openRestStorage, placeOf } from './open.ts'

const content = Buffer.from('a pack')
const id = createHash('sha256').update(content).digest('hex')
const KEY = `data/${id.slice(0, 2)}/${id}`
const LOCK = `locks/${id}`

const keysOf = async (storage: Storage): Promise<string[]> => {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) keys.push(key)
  return keys.sort()
}

describe.skipIf(skipRest)('rclone serve restic', () => {
  let server: RestServer
  let appending: RestServer
  let next = 0
  beforeAll(async () => {
    server = await RestServer.start()
    appending = await RestServer.start({ appendOnly: true })
  })
  afterAll(async () => {
    await server.remove()
    await appending.remove()
  })

  const open = (at: RestServer, path: string, environment = at.environment): Promise<Storage> =>
    openRestStorage(at.url(path), {}, adapterContext(environment))

  testStorageContract('rest', {
    open: () => open(server, `repo${next++}`),
    reopen: () => open(server, `repo${next - 1}`),
  })

  test('that only takes what is new lets backups be made, and says what it takes to delete', async () => {
    const storage = await open(appending, 'repo')
    await storage.save('config', Buffer.from('x'))
    await storage.save(KEY, content)
    await storage.save(LOCK, content)
    await storage.remove(LOCK)
    await expect(storage.remove(KEY)).rejects.toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('backups go on') as string,
    })
    await expect(storage.save(KEY, content)).rejects.toMatchObject({ code: 'storage-exists' })
    expect(await keysOf(storage)).toEqual(['config', KEY])
    await storage.close()
  })

  test('lets nobody in who does not know the password, and names it nowhere', async () => {
    const storage = await open(server, 'x', { RESTIC_REST_USERNAME: 'me', RESTIC_REST_PASSWORD: 'sesame-shut' })
    const error: unknown = await storage.load('config').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('RESTIC_REST_PASSWORD') as string,
    })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/sesame|Basic/)
  })

  test('that is gone fails as one to be tried again', async () => {
    const other = await RestServer.start()
    const storage = await open(other, 'x')
    await other.remove()
    await expect(storage.load('config')).rejects.toMatchObject({ code: 'storage-failed', isTransient: true })
  })
})

test('an address is read as restic reads it, and holds no password', () => {
  expect(placeOf('rest:https://me@host:8000/a/b')).toEqual({
    origin: 'https://host:8000',
    path: '/a/b/',
    username: 'me',
  })
  expect(() => placeOf('rest:https://me:hunter2@host/')).toThrow(/^(?!.*hunter2).*holds a password/)
  for (const url of ['rest:', 'rest:host', 'rest:ftp://host/', 'rest:http://host/?a']) {
    expect(() => placeOf(url)).toThrow(/no address of the web/)
  }
})

describe('a server that', () => {
  const serve = async (answer: RequestListener): Promise<Storage> => {
    const server = createServer(answer)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const storage = await openRestStorage(`rest:http://127.0.0.1:${port}/`, {}, adapterContext({}))
    onTestFinished(async () => {
      await storage.close()
      server.closeAllConnections()
      server.close()
    })
    return storage
  }
  const listing =
    (body: string, type = 'application/vnd.x.restic.rest.v2'): RequestListener =>
    (_, response) =>
      response.writeHead(200, { 'content-type': type }).end(body)

  test.each([
    ['no list', '{"name":1}'],
    ['no JSON', '[{"name":'],
    ['sizes that are none', `[{"name":"${id}","size":-1}]`],
    ['names only', `["${id}"]`],
  ])('lists %s fails', async (_, body) => {
    await expect(keysOf(await serve(listing(body)))).rejects.toMatchObject({ code: 'storage-failed' })
  })

  test('lists other files too: they are passed over', async () => {
    const storage = await serve((request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end()
      else listing(`[{"name":"../../etc/passwd","size":1},{"name":"${id}","size":6}]`)(request, response)
    })
    const found = []
    for await (const object of storage.list('data/')) found.push(object)
    expect(found).toEqual([{ key: KEY, sizeBytes: 6 }])
  })

  test('speaks only the first version of the protocol is told so', async () => {
    const storage = await serve((request, response) =>
      request.method === 'HEAD' ? response.writeHead(404).end() : listing('[]', 'application/json')(request, response),
    )
    await expect(keysOf(storage)).rejects.toMatchObject({ code: 'storage-denied' })
  })

  test.each([
    [401, 'storage-denied'],
    [403, 'storage-denied'],
    [404, 'storage-not-found'],
    [413, 'storage-full'],
    [429, 'storage-busy'],
    [500, 'storage-failed'],
    [503, 'storage-busy'],
    [507, 'storage-full'],
  ])('answers %i', async (status, code) => {
    const storage = await serve((_, response) => response.writeHead(status, { 'retry-after': '7' }).end())
    const error = await storage.load(KEY).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, ...(code === 'storage-busy' ? { context: { retryAfterMs: 7000 } } : {}) })
  })

  test('gives another range than was asked for, or cuts what it gives, is not believed', async () => {
    const range = { offset: 2, length: 3 }
    const other = await serve((_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 0-2/6', 'content-length': 3 }).end('abc'),
    )
    await expect(other.load(KEY, { range })).rejects.toMatchObject({ code: 'storage-failed' })
    const cut = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 6 }).write('ab')
      setTimeout(() => response.destroy(), 20)
    })
    await expect(cut.load(KEY)).rejects.toMatchObject({ code: 'storage-failed' })
    const whole = await serve((_, response) => response.writeHead(200, { 'content-length': 6 }).end('abcdef'))
    expect((await whole.load(KEY, { range })).toString()).toBe('cde')
  })

  test('makes the folders of a repository only when it is asked to is asked to', async () => {
    const asked: string[] = []
    const storage = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      request.resume()
      const isMade = asked.some(each => each.endsWith('?create=true'))
      response.writeHead(request.method === 'POST' && isMade ? 200 : 404).end()
    })
    await storage.save(KEY, content)
    expect(asked).toEqual([`POST /data/${id}`, 'POST /?create=true', `POST /data/${id}`])
  })
})
