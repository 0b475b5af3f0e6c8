import { appendFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Notice } from '../../src/notifiers/notifier.ts'
import { Workspace } from '../helpers/workspace.ts'

let workspace: Workspace
let server: Server
const got: { readonly path: string | undefined; readonly body: string }[] = []

beforeEach(async () => {
  got.length = 0
  server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => (body += String(chunk)))
    request.on('end', () => {
      got.push({ path: request.url, body })
      response.end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  workspace = new Workspace()
  workspace.makeDocs()
  workspace.makeDatabase(10)
  writeFileSync(workspace.path('hook'), `http://127.0.0.1:${port}/hook/SECRET`, { mode: 0o600 })
  writeFileSync(workspace.path('switch'), `http://127.0.0.1:${port}/switch`, { mode: 0o600 })
  appendFileSync(
    workspace.path('lifeboat.yaml'),
    'policies:\n  nightly: { sources: [docs], repositories: [main], schedule: "0 2 * * *" }\n' +
      'notify:\n  ops: { kind: webhook, url: { file: ./hook }, on: [error] }\n' +
      'ping: { url: { file: ./switch } }\n',
  )
  await workspace.run('init', '--yes')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const notices = (): Notice[] =>
  got.filter(each => each.path === '/hook/SECRET').map(each => JSON.parse(each.body) as Notice)
const pings = (): (string | undefined)[] => got.map(each => each.path).filter(path => path?.startsWith('/switch'))

test('what is wrong is told once, and the dead man’s switch hears how we are', async () => {
  for (let round = 0; round < 3; round++) await workspace.run('alerts', 'check')
  expect(
    notices()
      .map(({ event, severity, code, subject }) => [event, severity, code, subject].join(' '))
      .toSorted(),
  ).toEqual(['opened error no-recovery-point app', 'opened error no-recovery-point docs'])
  expect(pings()).toEqual(['/switch/fail', '/switch/fail', '/switch/fail'])
  const listed = await workspace.run('alerts')
  expect(listed).toMatch(/error +no-recovery-point +docs/)
  await workspace.run('backup')
  await workspace.run('alerts', 'check')
  expect(pings().at(-1)).toBe('/switch')
})

test('a notice that nobody takes is not said to be sent, and is tried again', async () => {
  server.closeAllConnections()
  server.close()
  expect(await workspace.run('alerts', 'check')).toContain('2 alerts open, 0 notices sent, 2 not taken yet')
})

test('a silence is listed, and needs an alert that is there and an end that is near', async () => {
  await workspace.run('alerts', 'check')
  await workspace.run('alerts', 'silence', 'no-recovery-point', 'docs', '--until', '3d')
  expect(await workspace.run('alerts')).toMatch(/silenced +no-recovery-point +docs/)
  expect(await workspace.try('alerts', 'silence', 'copy-behind')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('lifeboat alerts'),
  })
  expect(await workspace.try('alerts', 'silence', 'no-recovery-point', '--until', '90d')).toMatchObject({ code: 2 })
})

test('a test arrives, a dry run does not, and one that fails names no secret', async () => {
  expect(await workspace.run('notify', 'test', '--dry-run')).toContain('this is a test')
  expect(notices()).toEqual([])
  expect(await workspace.run('notify', 'test')).toBe('ops: sent\n')
  expect(notices()).toMatchObject([{ event: 'test' }])
  expect(await workspace.try('notify', 'test', 'nobody')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('ops'),
  })
  server.closeAllConnections()
  server.close()
  const failed = await workspace.try('notify', 'test')
  expect([failed.code, failed.stdout]).toEqual([1, expect.stringContaining('cannot reach http://127.0.0.1')])
  expect(failed.stdout + failed.stderr).not.toContain('SECRET')
})
