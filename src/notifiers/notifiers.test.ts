import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import { afterEach, expect, test } from 'vitest'
import { NOTICE, testNotifierContract } from '../../test/contracts/notifier-contract.ts'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { Secret } from '../base/secret.ts'
import type { Notifier, NotifierContext } from './notifier.ts'
import { sendPing } from './ping.ts'
import { Poster } from './post.ts'
import { NOTIFIERS } from './registry.ts'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

const contextWith = (secrets: Readonly<Record<string, string>>): NotifierContext => ({
  baseDir: '/',
  environment: process.env,
  loadSecret: async (_what, reference) => new Secret('env' in reference ? (secrets[reference.env] ?? '') : ''),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  commandPlace: { cwd: '/', environment: process.env, trust: { anybody: true, config: '' } },
})

async function open(kind: string, options: object, secrets: Readonly<Record<string, string>>): Promise<Notifier> {
  const definition = NOTIFIERS.find(each => each.kind === kind)
  if (definition === undefined) throw new Error(`no ${kind}`)
  return await (await definition.load())(definition.options.parse(options), contextWith(secrets))
}

interface Got {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver that remembers. */
class Receiver {
  readonly got: Got[] = []
  /** What it answers. */
  answer: { readonly status: number; readonly headers?: Record<string, string>; readonly never?: boolean } = {
    status: 200,
  }
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<Receiver> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method, url: path, headers } = request
        receiver.got.push({ method, path, headers, body: Buffer.concat(chunks).toString() })
        if (receiver.answer.never === true) return
        response.writeHead(receiver.answer.status, receiver.answer.headers).end(`no: ${headers.authorization} ${path}`)
      })
    })
    const receiver = new Receiver(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return receiver
  }

  url(path = '/services/T0/SECRET-PATH'): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }
}

for (const kind of ['webhook', 'slack', 'discord', 'ntfy']) {
  testNotifierContract(kind, async () => {
    const receiver = await Receiver.start()
    return {
      open: () => open(kind, { url: { env: 'URL' } }, { URL: receiver.url() }),
      arrived: () => receiver.got.map(each => JSON.stringify(JSON.parse(each.body))).join('\n'),
      breakDown: () => {
        receiver.answer = { status: 403 }
      },
      secrets: ['SECRET-PATH'],
    }
  })
}

testNotifierContract('email', async () => {
  const mails: string[] = []
  let isDown = false
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: (auth, _session, done) =>
      auth.password === 'SECRET-PASSWORD' && !isDown ? done(null, { user: 'me' }) : done(new Error('535 no')),
    onData: (stream, _session, done) => {
      let text = ''
      stream
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => {
          mails.push(decoded(text))
          done()
        })
    },
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => new Promise<void>(resolve => server.close(() => resolve())))
  const { port } = server.server.address() as AddressInfo
  const options = {
    to: 'ops@example.com',
    from: 'lifeboat@example.com',
    host: '127.0.0.1',
    port,
    username: 'me',
    password: { env: 'PASSWORD' },
  }
  return {
    open: () => open('email', options, { PASSWORD: 'SECRET-PASSWORD' }),
    arrived: () => mails.join('\n'),
    breakDown: () => {
      isDown = true
    },
    secrets: ['SECRET-PASSWORD', Buffer.from('SECRET-PASSWORD').toString('base64')],
  }
})

testNotifierContract('command', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-notify-'))
  cleanUps.push(() => rmSync(folder, { recursive: true }))
  const [script, out, down] = ['notify.cjs', 'out', 'down'].map(name => join(folder, name)) as [string, string, string]
  writeFileSync(
    script,
    `const fs = require('fs'); if (fs.existsSync(${JSON.stringify(down)})) process.exit(4)
     fs.appendFileSync(${JSON.stringify(out)}, process.env.LIFEBOAT_TITLE + '\\n' + process.env.LIFEBOAT_TEXT + '\\n')`,
  )
  return {
    open: () => open('command', { command: [process.execPath, script] }, {}),
    arrived: () => readFileSync(out, 'utf8'),
    breakDown: () => writeFileSync(down, ''),
    secrets: [],
  }
})

const SIGNAL = new AbortController().signal

test('a webhook is signed with its time, and says which notice it is', async () => {
  const receiver = await Receiver.start()
  const notifier = await open(
    'webhook',
    { url: { env: 'URL' }, secret: { env: 'KEY' } },
    { URL: receiver.url(), KEY: 'k' },
  )
  await notifier.send(NOTICE, SIGNAL)
  await notifier.close()
  const [got] = receiver.got
  const {
    'x-lifeboat-timestamp': timestamp,
    'x-lifeboat-signature': signature,
    'idempotency-key': id,
  } = got?.headers ?? {}
  const expected = createHmac('sha256', 'k')
    .update(`${String(timestamp)}.${got?.body ?? ''}`)
    .digest('hex')
  expect([signature, id]).toEqual([`sha256=${expected}`, NOTICE.id])
  expect(Math.abs(Number(timestamp) * 1000 - Date.now())).toBeLessThan(60_000)
})

test('a chat calls nobody by a name in a notice', async () => {
  const receiver = await Receiver.start()
  for (const kind of ['slack', 'discord']) {
    const notifier = await open(kind, { url: { env: 'URL' } }, { URL: receiver.url() })
    await notifier.send(NOTICE, SIGNAL)
    await notifier.close()
  }
  expect(receiver.got[0]?.body).not.toContain('<!channel>')
  expect(JSON.parse(receiver.got[1]?.body ?? '{}')).toMatchObject({ allowed_mentions: { parse: [] } })
})

test('a token of ntfy goes in a header, the topic into the body', async () => {
  const receiver = await Receiver.start()
  const options = { url: { env: 'URL' }, token: { env: 'TOKEN' } }
  const notifier = await open('ntfy', options, { URL: receiver.url('/topic-1'), TOKEN: 'tk_1' })
  await notifier.send(NOTICE, SIGNAL)
  await notifier.close()
  expect(receiver.got[0]).toMatchObject({ path: '/', headers: { authorization: 'Bearer tk_1' } })
  expect(JSON.parse(receiver.got[0]?.body ?? '{}')).toMatchObject({ topic: 'topic-1', priority: 5 })
})

test('a redirect is not followed, and a dead server is not waited for', async () => {
  const receiver = await Receiver.start()
  receiver.answer = { status: 302, headers: { location: receiver.url('/elsewhere') } }
  const notifier = await open('webhook', { url: { env: 'URL' } }, { URL: receiver.url() })
  await expect(notifier.send(NOTICE, SIGNAL)).rejects.toMatchObject({ message: expect.stringContaining('302') })
  await notifier.close()
  expect(receiver.got).toHaveLength(1)
  receiver.answer = { status: 200, never: true }
  const url = new URL(receiver.url())
  const poster = new Poster({ environment: {} }, 200)
  const address = { origin: url.origin, path: url.pathname, shown: 'it' }
  await expect(poster.post({ address, body: '{}' }, SIGNAL)).rejects.toMatchObject({
    code: 'notify-failed',
    message: 'it did not answer within 0.2 s',
  })
  poster.close()
})

test.each([
  ['http://hooks.example.com/x', 'begins with http'],
  ['no address', 'is not an address'],
  ['file:///etc/passwd', 'is not an address'],
  ['https://user:word@example.com/', 'is not an address'],
])('the address %s is refused', async (url, message) => {
  await expect(open('slack', { url: { env: 'URL' } }, { URL: url })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining(message),
  })
})

test('a ping says that all is well, or not, by its path', async () => {
  const receiver = await Receiver.start()
  const context = contextWith({ URL: receiver.url('/uuid?rid=1') })
  await sendPing({ env: 'URL' }, true, context, SIGNAL)
  await sendPing({ env: 'URL' }, false, context, SIGNAL)
  expect(receiver.got.map(each => each.path)).toEqual(['/uuid?rid=1', '/uuid/fail?rid=1'])
})

/** Quoted-printable and base64, as far as one part of text needs it. */
function decoded(mail: string): string {
  const [head = '', ...rest] = mail.split('\r\n\r\n')
  const body = rest.join('\r\n\r\n')
  const words = head.replace(/=\?UTF-8\?([QB])\?([^?]*)\?=(\r\n )?/gi, (_, how: string, text: string) =>
    how.toUpperCase() === 'B' ? Buffer.from(text, 'base64').toString() : quotedPrintable(text.replaceAll('_', ' ')),
  )
  return `${words}\n${/transfer-encoding: base64/i.test(head) ? Buffer.from(body, 'base64').toString() : quotedPrintable(body)}`
}

function quotedPrintable(text: string): string {
  const bytes = text
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
