import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Expiring } from '../../base/expiring.ts'
import { Secret } from '../../base/secret.ts'
import { HttpClient, HttpFailure } from '../http/index.ts'
import { type AccessToken, findToken, GcsClient, GcsFailure, tokenOf } from './index.ts'

const NOW = new Date('2026-11-30T12:00:00Z')
const clock = { now: () => NOW }
const KEY = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' })

interface Seen {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly body: string
}

async function serve(answer: (seen: Seen, response: ServerResponse, nth: number) => void) {
  const seen: Seen[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const one = { method, url, authorization: headers.authorization, body: Buffer.concat(parts).toString() }
      seen.push(one)
      answer(one, response, seen.length)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function connect(origin: string, issue?: () => Promise<AccessToken>): GcsClient {
  const http = new HttpClient({ maxSockets: 2 })
  const client = new GcsClient({ bucket: 'b', origin, http, tokens: issue && new Expiring(issue, clock), clock })
  onTestFinished(() => http.close())
  return client
}

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  const body = JSON.stringify(value)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    .end(body)
}

const serviceAccount = (origin: string): string =>
  JSON.stringify({
    type: 'service_account',
    client_email: 'backup@project.iam.example',
    private_key: KEY,
    private_key_id: 'k1',
    token_uri: `${origin}/token`,
  })

test('a service account’s key signs the request for a token', async () => {
  const { origin, seen } = await serve((_, response) => json(response, { access_token: 'T1', expires_in: 3600 }))
  const token = await tokenOf(new Secret(serviceAccount(origin)), 'key.json', { environment: {}, clock })
  expect([token.value.reveal(), token.expiresAt]).toEqual(['T1', new Date('2026-11-30T13:00:00Z')])
  const assertion = new URLSearchParams(seen[0]?.body).get('assertion') ?? ''
  const [head = '', claims = '', signature = ''] = assertion.split('.')
  const isSigned = createVerify('RSA-SHA256')
    .update(`${head}.${claims}`)
    .verify(createPublicKey(KEY), Buffer.from(signature, 'base64url'))
  expect(isSigned).toBe(true)
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' })
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: 'backup@project.iam.example',
    aud: `${origin}/token`,
    iat: NOW.getTime() / 1000,
    exp: NOW.getTime() / 1000 + 3600,
  })
})

test('the environment’s token goes before its file, the file before the machine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-gcs-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { origin } = await serve(({ url }, response) =>
    json(response, { access_token: url.startsWith('/computeMetadata') ? 'of-machine' : 'of-file', expires_in: 60 }),
  )
  const file = join(folder, 'key.json')
  writeFileSync(file, serviceAccount(origin))
  const machine = { CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: new URL(origin).host }
  const tokenIn = async (environment: Record<string, string>): Promise<string> =>
    (await findToken({ environment, clock })).value.reveal()
  expect(await tokenIn({ ...machine, GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_ACCESS_TOKEN: 'given' })).toBe(
    'given',
  )
  expect(await tokenIn({ ...machine, GOOGLE_APPLICATION_CREDENTIALS: file })).toBe('of-file')
  expect(await tokenIn(machine)).toBe('of-machine')
  writeFileSync(join(folder, 'application_default_credentials.json'), serviceAccount(origin))
  expect(await tokenIn(machine)).toBe('of-file')
})

test('what is wrong with credentials is said without showing any of them', async () => {
  const { origin } = await serve((_, response) =>
    json(response, { error: 'invalid_grant', error_description: KEY }, 400),
  )
  const broken = JSON.stringify({ ...JSON.parse(serviceAccount(origin)), private_key: 'SECRET-KEY' })
  for (const [content, message] of [
    ['SECRET-KEY', /holds neither the key of a service account nor a login/],
    [broken, /the private key in key.json cannot be used/],
    [serviceAccount(origin), /answered with status 400 \(invalid_grant\)/],
    [JSON.stringify({ ...JSON.parse(serviceAccount('http://far.example')) }), /would cross the network in clear/],
  ] as const) {
    const error = await tokenOf(new Secret(content), 'key.json', { environment: {}, clock }).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'storage-denied', message: expect.stringMatching(message) })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/SECRET-KEY|BEGIN PRIVATE/)
  }
})

test('a token that is refused is asked for once more, and not for ever', async () => {
  let issued = 0
  const issue = async () => ({ value: new Secret(`T${++issued}`), expiresAt: new Date('2026-11-30T13:00:00Z') })
  const { origin, seen } = await serve(({ authorization }, response) =>
    authorization === 'Bearer T2' ? json(response, { name: 'x', size: '3' }) : json(response, {}, 401),
  )
  expect(await connect(origin, issue).head('x')).toMatchObject({ sizeBytes: 3 })
  expect(seen.map(each => each.authorization)).toEqual(['Bearer T1', 'Bearer T2'])
  issued = 5
  await expect(connect(origin, issue).head('x')).rejects.toMatchObject({ name: 'GcsFailure', status: 401 })
  expect(seen).toHaveLength(4)
})

test('an object that the server stored otherwise is removed again, by its generation', async () => {
  const { origin, seen } = await serve(({ method }, response) =>
    method === 'DELETE'
      ? response.writeHead(204).end()
      : json(response, { name: 'x', size: '3', md5Hash: 'AAAA', generation: '77' }),
  )
  await expect(connect(origin).put('x', [Buffer.from('abc')], { ifAbsent: true })).rejects.toThrow(HttpFailure)
  expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /upload/storage/v1/b/b/o?uploadType=multipart&ifGenerationMatch=0',
    'DELETE /storage/v1/b/b/o/x?generation=77',
  ])
})

test.each([
  ['no JSON', 'what is this'],
  ['no object', JSON.stringify([1])],
  ['a size that is none', JSON.stringify({ name: 'x', size: '-4' })],
])('an answer that this API does not give is no object: %s', async (_, body) => {
  const { origin } = await serve((_seen, response) => void response.end(body))
  await expect(connect(origin).head('x')).rejects.toMatchObject({ name: 'HttpFailure', kind: 'malformed' })
})

test('a refusal says why in one line, without tokens', async () => {
  const secret = 'a'.repeat(64)
  const error = { code: 403, message: `no\nright ${secret}?sig=1`, errors: [{ reason: 'forbidden' }] }
  const { origin } = await serve((_, response) => json(response, { error }, 403))
  const failure = await connect(origin)
    .head('x')
    .catch((thrown: unknown) => thrown)
  expect(failure).toBeInstanceOf(GcsFailure)
  expect(failure).toMatchObject({ status: 403, reason: 'forbidden', message: 'no right ***' })
})
