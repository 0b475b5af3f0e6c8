import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../base/logger.ts'
import type { Hook } from '../../model/hook.ts'
import { runHook } from './run-hook.ts'

const context = {
  signal: new AbortController().signal,
  logger: silentLogger,
  environment: { LIFEBOAT_TARGET: '/srv/a' },
}
const run = (hook: Hook, signal = context.signal): Promise<void> =>
  runHook('before', { before: hook }, { ...context, signal })

describe('a program', () => {
  it('is run without a shell, and told what it is about', async () => {
    const told = 'test "$LIFEBOAT_TARGET" = /srv/a && test "$0" = "a b;c"'
    await expect(run({ command: ['sh', '-c', told, 'a b;c'] })).resolves.toBeUndefined()
  })

  it.each<[string, string[], number | undefined, RegExp]>([
    ['that fails', ['sh', '-c', 'echo no such unit >&2; exit 5'], undefined, /sh ended with 5: no such unit/],
    ['that is not there', ['lifeboat-no-such-program'], undefined, /there is no program lifeboat-no-such-program/],
    ['that never ends', ['tail', '-f', '/dev/null'], 200, /it took longer than 0.2 s/],
  ])('%s is an error with its words', async (_what, command, timeout, message) => {
    await expect(run({ command, timeout })).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(message),
    })
  })

  it('is interrupted with us', async () => {
    const stop = new AbortController()
    const running = run({ command: ['tail', '-f', '/dev/null'] }, stop.signal)
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'interrupted' })
  })
})

describe('a call over HTTP', () => {
  const asked: string[] = []
  let server: Server
  let url = ''

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { authorization } = request.headers
      asked.push([request.method, request.url, authorization].filter(each => each !== undefined).join(' '))
      if (request.url === '/slow') return
      response.statusCode = request.url === '/ok' ? 204 : 503
      response.end(request.url === '/ok' ? undefined : 'still draining')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it('goes through with an answer of 2xx', async () => {
    await run({ http: `${url}/ok` })
    await run({ http: `${url}/ok`, method: 'GET' })
    expect(asked).toEqual(['POST /ok', 'GET /ok'])
  })

  it.each<[string, string, number | undefined, RegExp]>([
    ['another answer', '/busy', undefined, /it answered 503: still draining/],
    ['no answer in time', '/slow', 200, /it took longer/],
  ])('%s is an error', async (_what, path, timeout, message) => {
    await expect(run({ http: url + path, timeout })).rejects.toMatchObject({ message: expect.stringMatching(message) })
  })

  it('gives the login of the URL, and never says it', async () => {
    const login = url.replace('http://', 'http://deploy:hunter%2B2@')
    await run({ http: `${login}/ok` })
    expect(asked.at(-1)).toBe(`POST /ok Basic ${Buffer.from('deploy:hunter+2').toString('base64')}`)
    for (const hook of [`${login}/busy`, 'http://deploy:hunter%2B2@127.0.0.1:1/']) {
      const error: unknown = await run({ http: hook }).catch((thrown: unknown) => thrown)
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter')
    }
  })

  it('nobody there is an error that says so', async () => {
    await expect(run({ http: 'http://127.0.0.1:1/' })).rejects.toMatchObject({
      message: expect.stringMatching(/no answer: .*(ECONNREFUSED|bad port)/),
    })
  })
})
