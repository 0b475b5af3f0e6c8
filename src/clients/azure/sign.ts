import { createHmac } from 'node:crypto'
import type { Secret } from '../../base/secret.ts'

export interface SharedKey {
  readonly account: string
  /** Base64. */
  readonly key: Secret
}

export interface Signable {
  readonly method: string
  /** Without the query; encoded as it is sent. */
  readonly path: string
  readonly query: ReadonlyArray<readonly [name: string, value: string]>
  /** Names in lower case; those of `x-ms-` are signed, and of the others the ones that Azure names. */
  readonly headers: Readonly<Record<string, string>>
}

/** In the order in which they are signed; `x-ms-date` takes the place of the date. */
const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const

/**
 * The value of `Authorization`.
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
 */
export function authorizationOf(request: Signable, { account, key }: SharedKey): string {
  const signature = createHmac('sha256', Buffer.from(key.reveal(), 'base64'))
    .update(stringToSign(request, account))
    .digest('base64')
  return `SharedKey ${account}:${signature}`
}

export function stringToSign({ method, path, query, headers }: Signable, account: string): string {
  const plain = SIGNED_HEADERS.map(name => {
    const value = headers[name] ?? ''
    // No length is an empty text since the version of 2015.
    return name === 'content-length' && value === '0' ? '' : value
  })
  const own = Object.keys(headers)
    .filter(name => name.startsWith('x-ms-'))
    .toSorted()
    .map(name => `${name}:${(headers[name] ?? '').trim()}\n`)
  const asked = query
    .map(([name, value]) => `\n${name.toLowerCase()}:${value}`)
    .toSorted()
    .join('')
  return `${method}\n${plain.join('\n')}\n${own.join('')}/${account}${path}${asked}`
}
