import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { TRUST_OURS } from '../../base/believed-file.ts'
import { Secret } from '../../base/secret.ts'
import type { Assertion } from '../../model/assertion.ts'
import type { CheckOutcome } from '../../model/report.ts'
import type { CopyAnswer, CopyValue, RestoredCopy } from '../../sources/source.ts'
import { runAssertions } from './run-assertions.ts'

const timeoutMs = 10_000
const environment = { PATH: process.env['PATH'], LIFEBOAT_PASSWORD: 'not for others', HOME: '/home/x' }
const place = { cwd: process.cwd(), environment, trust: TRUST_OURS }

async function run(assertion: Assertion, copy: RestoredCopy, signal = new AbortController().signal) {
  const [outcome] = await runAssertions([assertion], copy, { signal, place })
  return outcome as CheckOutcome
}

const answering = (answer: CopyAnswer): RestoredCopy => ({ path: '/x', query: async () => answer })
const oneValue = (value: CopyValue): CopyAnswer => ({ columns: ['x'], rows: [[value]], more: false })

it.each<[Partial<Assertion>, string | null, boolean, string]>([
  [{ equals: 50 }, '50', true, '50'],
  [{ equals: 50 }, '50.0', true, '50'],
  [{ equals: 50 }, '49', false, '50'],
  [{ equals: 0 }, '', false, '0'],
  [{ equals: '050' }, '50', false, '050'],
  [{ equals: true }, '1', true, 'true'],
  [{ equals: false }, 'false', true, 'false'],
  [{ equals: null }, null, true, 'null'],
  [{ equals: null }, 'null', false, 'null'],
  [{ atLeast: 2, atMost: 3 }, '2', true, 'at least 2, at most 3'],
  [{ atLeast: 2, atMost: 3 }, '4', false, 'at least 2, at most 3'],
  [{ atLeast: 0 }, null, false, 'at least 0'],
  [{ atMost: 5 }, 'many', false, 'at most 5'],
  [{ matches: '^v\\d+' }, 'v12', true, 'to match ^v\\d+'],
  [{ matches: '^v\\d+' }, null, false, 'to match ^v\\d+'],
])('%o of %j: %s', async (rules, value, passed, expected) => {
  const outcome = await run({ sql: 'SELECT  1', timeoutMs, ...rules }, answering(oneValue(value)))
  expect(outcome).toEqual({ name: 'assertion SELECT 1', passed, expected, found: value ?? 'null' })
})

it('fails a statement that gives no value, and names it', async () => {
  const outcome = await run({ sql: 'SELECT x', equals: 1, timeoutMs, name: 'x is 1' }, answering({ problem: 'no x' }))
  expect(outcome).toEqual({ name: 'assertion x is 1', passed: false, expected: '1', found: 'no x' })
  expect(await run({ sql: 'SELECT 1', equals: 1, timeoutMs }, { path: '/x' })).toMatchObject({ passed: false })
})

it.each<[CopyAnswer, string]>([
  [{ columns: ['a', 'b'], rows: [[1, 2]], more: false }, '2 columns in place of one value'],
  [{ columns: ['a'], rows: [[1]], more: true }, 'more than one row in place of one value'],
  [{ columns: ['a'], rows: [], more: false }, 'no row'],
  [{ columns: [], rows: [], more: false }, '0 columns in place of one value'],
])('says why there is no value in %j', async (answer, found) => {
  expect(await run({ sql: 'SELECT 1', equals: 1, timeoutMs }, answering(answer))).toMatchObject({
    passed: false,
    found,
  })
})

it.each<[CopyValue, string]>([
  [9_007_199_254_740_993n, '9007199254740993'],
  [0.5, '0.5'],
  [Buffer.from('c0ffee', 'hex'), 'c0ffee'],
])('compares the value of %# as text', async (value, equals) => {
  expect(await run({ sql: 'SELECT x', equals, timeoutMs }, answering(oneValue(value)))).toMatchObject({ passed: true })
})

it('asks each database of a server what concerns it', async () => {
  const server = { url: 'postgres:///b', password: undefined, databases: ['b'], defaultDatabase: 'a' }
  const copy = { ...answering(oneValue('1')), server }
  const assertions = ['a', 'b', undefined].map(database => ({ sql: `of ${database}`, database, equals: 1, timeoutMs }))
  const context = { signal: new AbortController().signal, place }
  expect((await runAssertions(assertions, copy, context)).map(({ name }) => name)).toEqual(['assertion of b'])
})

it.each([
  ['exit 0', true, 'exit code 0'],
  ['echo lost; echo why >&2; exit 3', false, 'exit code 3: why'],
  ['test "$LIFEBOAT_RESTORED_PATH" = /restored', true, 'exit code 0'],
  ['test "$LIFEBOAT_RESTORED_URL" = postgres:///x && test "$PGPASSWORD" = pass', true, 'exit code 0'],
  ['test -z "$LIFEBOAT_PASSWORD" && test "$HOME" = /home/x', true, 'exit code 0'],
  ['head -c 3000000 /dev/zero', true, 'exit code 0'],
  ['kill -9 $$', false, 'killed by SIGKILL'],
])('runs a command: %s', async (script, passed, found) => {
  const server = { url: 'postgres:///x', password: new Secret('pass'), databases: ['x'], defaultDatabase: 'x' }
  const outcome = await run({ command: ['sh', '-c', script], timeoutMs }, { path: '/restored', server })
  expect(outcome).toMatchObject({ passed, expected: 'exit code 0', found })
})

it('ends a command whose time is over, and says when there is none', async () => {
  const late = await run({ command: ['sleep', '60'], timeoutMs: 100 }, {})
  expect(late).toMatchObject({ passed: false, found: 'no end within 0.1 s' })
  const none = await run({ command: ['no-such-program-here'], timeoutMs }, {})
  expect(none).toMatchObject({
    passed: false,
    found: expect.stringContaining('there is no program no-such-program-here'),
  })
  await expect(run({ command: ['true'], timeoutMs }, {}, AbortSignal.abort())).rejects.toMatchObject({
    code: 'interrupted',
  })
})

let server: Server
let url = ''
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/slow') return
    if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end()
    else response.writeHead(request.url === '/ok' ? 200 : 500).end('all is well')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

it.each([
  ['/ok', 200, undefined, true, 'status 200'],
  ['/ok', 200, 'is well', true, 'status 200, with "is well"'],
  ['/ok', 200, 'is bad', false, 'status 200, without it'],
  ['/down', 200, undefined, false, 'status 500'],
  ['/down', 500, undefined, true, 'status 500'],
  ['/moved', 200, 'is well', true, 'status 200, with "is well"'],
  ['/moved', 302, undefined, true, 'status 302'],
])('calls %s for %d with %s', async (path, status, contains, passed, found) => {
  const outcome = await run({ http: `${url}${path}`, status, contains, timeoutMs }, {})
  expect(outcome).toMatchObject({ passed, found })
})

it('gives a call its time, tells what is not there, and keeps what is in a URL to itself', async () => {
  const slow = await run({ http: `${url}/slow`, status: 200, timeoutMs: 100 }, {})
  expect(slow).toMatchObject({ passed: false, found: 'no answer within 0.1 s' })
  const gone = await run({ http: 'http://127.0.0.1:1/x?token=secret', status: 200, timeoutMs }, {})
  expect(gone).toMatchObject({ name: 'assertion http://127.0.0.1:1/x', passed: false })
})

it('looks for files, and is not led out of the folder', async () => {
  const dir = makeTempDir()
  mkdirSync(join(dir, 'folder/in'), { recursive: true })
  writeFileSync(join(dir, 'folder/in/a'), 'text')
  writeFileSync(join(dir, 'outside'), 'text')
  symlinkSync('../outside', join(dir, 'folder/link'))
  const copy = { path: join(dir, 'folder') }
  const sha256 = createHash('sha256').update('text').digest('hex')
  expect(await run({ exists: 'in/a', sha256, minBytes: 4 }, copy)).toMatchObject({ passed: true })
  expect(await run({ exists: 'in' }, copy)).toMatchObject({ passed: true, found: 'there' })
  expect(await run({ exists: 'in/a', minBytes: 5 }, copy)).toMatchObject({ passed: false, found: 'there, 4 bytes' })
  const other = await run({ exists: 'in/a', sha256: '0'.repeat(64) }, copy)
  expect(other).toMatchObject({ passed: false, found: `there, SHA-256 ${sha256}` })
  expect(await run({ exists: 'in/b' }, copy)).toMatchObject({ passed: false, found: 'not there' })
  expect(await run({ exists: 'link' }, copy)).toMatchObject({
    passed: false,
    found: expect.stringContaining('leads out'),
  })
})
