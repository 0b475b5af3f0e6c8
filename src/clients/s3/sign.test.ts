import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { Secret } from '../../base/secret.ts'
import { EMPTY_SHA256, encodePath, encodeQuery, type SignableRequest, signRequest } from './sign.ts'

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
}
const scope = { region: 'us-east-1', service: 's3', credentials, now: new Date('2013-05-24T00:00:00Z') }
const host = 'examplebucket.s3.amazonaws.com'
const welcome = createHash('sha256').update('Welcome to Amazon S3.').digest('hex')

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html#example-signature-calculations */
const PUBLISHED: ReadonlyArray<readonly [what: string, request: SignableRequest, signature: string]> = [
  [
    'a range of an object',
    { method: 'GET', host, path: '/test.txt', headers: { range: 'bytes=0-9' }, bodySha256: EMPTY_SHA256 },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'storing an object',
    {
      method: 'PUT',
      host,
      path: encodePath('/test$file.text'),
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      bodySha256: welcome,
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'a query without a value',
    { method: 'GET', host, path: '/', query: [['lifecycle', '']], bodySha256: EMPTY_SHA256 },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'a listing',
    {
      method: 'GET',
      host,
      path: '/',
      query: [
        ['prefix', 'J'],
        ['max-keys', '2'],
      ],
      bodySha256: EMPTY_SHA256,
    },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
]

test.each(PUBLISHED)('signs as AWS’s documentation shows it: %s', (_what, request, signature) => {
  expect(signRequest(request, scope)['authorization']).toMatch(new RegExp(`Signature=${signature}$`))
})

/** Of the published test suite for Signature Version 4. */
const suite = {
  region: 'us-east-1',
  service: 'service',
  now: new Date('2015-08-30T12:36:00Z'),
  credentials: {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
  },
}

test('the token of temporary credentials is sent and signed, and no secret shows', () => {
  const request = { method: 'GET', host, path: '/', bodySha256: EMPTY_SHA256 }
  const sessionToken = new Secret('a token')
  const headers = signRequest(request, { ...suite, credentials: { ...suite.credentials, sessionToken } })
  expect(headers['x-amz-security-token']).toBe('a token')
  expect(headers['authorization']).toContain('x-amz-date;x-amz-security-token')
  expect(JSON.stringify(headers)).not.toContain('wJalr')
})

test('encodes keys and queries as they are signed', () => {
  expect(encodePath("/a b/ü+(1)!*'~/../c//d")).toBe('/a%20b/%C3%BC%2B%281%29%21%2A%27~/../c//d')
  expect(
    encodeQuery([
      ['b', '/'],
      ['a', 'x y'],
      ['a', ''],
      ['A', '1'],
    ]),
  ).toBe('A=1&a=&a=x%20y&b=%2F')
})
