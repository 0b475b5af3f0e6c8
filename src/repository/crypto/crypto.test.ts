import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemRandom } from '../../base/random.ts'
import { Secret } from '../../base/secret.ts'
import { Cipher } from './cipher.ts'
import { makeKeyFile, openKeyFile, randomKeys } from './password.ts'

const keys = randomKeys(systemRandom)

test('what was sealed opens, and one flipped bit anywhere never does', () => {
  const cipher = new Cipher(keys)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (plaintext, at) => {
      const sealed = cipher.seal(plaintext)
      expect(cipher.open(sealed)?.equals(plaintext)).toBe(true)
      const bit = at % (sealed.length * 8)
      sealed[bit >> 3] = (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(cipher.open(sealed)).toBeUndefined()
    }),
  )
})

test('the form is IV, ciphertext, MAC; no IV repeats; too short never opens', () => {
  const cipher = new Cipher(keys)
  const sealed = Array.from({ length: 600 }, () => cipher.seal(Buffer.from('same')))
  expect(new Set(sealed.map(bytes => bytes.toString('hex', 0, 16))).size).toBe(600)
  const first = sealed[0] ?? Buffer.alloc(0)
  const body = createCipheriv('aes-256-ctr', keys.encrypt, first.subarray(0, 16)).update('same')
  expect(first.subarray(16, 20)).toEqual(body)
  for (let length = 0; length < 36; length++) expect(cipher.open(first.subarray(0, length))).toBeUndefined()
})

test('a key file opens with its password only', async () => {
  const origin = { created: new Date(0), hostname: 'h', username: 'u' }
  const file = await makeKeyFile(keys, new Secret('right'), origin, systemRandom)
  expect(await openKeyFile(file, new Secret('right'), 'key 1')).toEqual(keys)
  expect(await openKeyFile(file, new Secret('wrong'), 'key 1')).toBeUndefined()
  const data = Buffer.from(file.data)
  data[20] = (data[20] ?? 0) ^ 1
  expect(await openKeyFile({ ...file, data }, new Secret('right'), 'key 1')).toBeUndefined()
})
