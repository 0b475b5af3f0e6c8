import { expect, test } from 'vitest'
import { Secret } from '../../base/secret.ts'
import { authorizationOf, stringToSign } from './sign.ts'

/** @see https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key#constructing-the-signature-string */
test('signs what Azure’s documentation shows', () => {
  const headers = {
    'x-ms-date': 'Fri, 26 Jun 2015 23:39:12 GMT',
    'x-ms-version': '2015-02-21',
  }
  const query = [
    ['comp', 'metadata'],
    ['restype', 'container'],
    ['timeout', '20'],
  ] as const
  expect(stringToSign({ method: 'GET', path: '/mycontainer', query, headers }, 'myaccount')).toBe(
    'GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20',
  )
})

test('no length is an empty text, another one is itself', () => {
  const of = (length: string): string | undefined =>
    stringToSign({ method: 'PUT', path: '/c/b', query: [], headers: { 'content-length': length } }, 'a').split('\n')[3]
  expect([of('0'), of('17')]).toEqual(['', '17'])
})

test('names the account and never the key', () => {
  const request = { method: 'GET', path: '/c', query: [], headers: {} }
  const key = new Secret(Buffer.from('planted').toString('base64'))
  expect(authorizationOf(request, { account: 'a', key })).toMatch(/^SharedKey a:[A-Za-z0-9+/]{43}=$/)
})
