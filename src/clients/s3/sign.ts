import { createHash, createHmac } from 'node:crypto'
import type { Secret } from '../../base/secret.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  /** Of temporary credentials. */
  readonly sessionToken?: Secret | undefined
}

export interface SignableRequest {
  readonly method: string
  readonly host: string
  /** Encoded as it will be sent, without the query. */
  readonly path: string
  readonly query?: readonly QueryParameter[] | undefined
  /** All of them are signed. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** SHA-256 of the body, in hex. */
  readonly bodySha256: string
}

export type QueryParameter = readonly [name: string, value: string]

export interface SigningScope {
  readonly region: string
  readonly service: string
  readonly credentials: S3Credentials
  readonly now: Date
}

export const EMPTY_SHA256 = createHash('sha256').digest('hex')

/**
 * The headers to send: those given, and what Signature Version 4 adds.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signRequest(request: SignableRequest, scope: SigningScope): Record<string, string> {
  const { region, service, credentials, now } = scope
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '')
  const day = time.slice(0, 8)
  const { sessionToken } = credentials
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': request.bodySha256,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken.reveal() }),
  }
  const names = Object.keys(headers).sort()
  const canonical = [
    request.method,
    request.path,
    encodeQuery(request.query ?? []),
    ...names.map(name => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    request.bodySha256,
  ].join('\n')
  const credentialScope = `${day}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, credentialScope, sha256(canonical)].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(
    hmac,
    `AWS4${credentials.secretAccessKey.reveal()}`,
  )
  const authorization = [
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${credentialScope}`,
    `SignedHeaders=${names.join(';')}`,
    `Signature=${hmac(key, toSign).toString('hex')}`,
  ].join(', ')
  return { ...headers, authorization }
}

/** Sorted and encoded as it is signed; what is sent is this too. */
export function encodeQuery(query: readonly QueryParameter[]): string {
  return query
    .map(([name, value]) => `${encodeText(name)}=${encodeText(value)}`)
    .sort()
    .join('&')
}

/** A key as the path of a request: the slashes stay, dots too. */
export function encodePath(key: string): string {
  return key.split('/').map(encodeText).join('/')
}

/** Everything but letters, digits and `-._~`, as RFC 3986 has it. */
function encodeText(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
