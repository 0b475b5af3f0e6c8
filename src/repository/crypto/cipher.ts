import { type Cipheriv, createCipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { freeMemory } from '../../base/free-memory.ts'
import { type Random, systemRandom } from '../../base/random.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { SEAL_BYTES } from '../format/pack-header.ts'
import { sodium } from './sodium.ts'

const IV_BYTES = 16
const MAC_BYTES = 16
/** Large blobs are encrypted in parts, so that their ciphertext is not there twice. */
const PART_BYTES = 4 * 1024 * 1024

/**
 * AES-256-CTR with Poly1305-AES, stored as `IV || ciphertext || MAC`. The one-time key of a MAC is `r || AES128_k(IV)`;
 * Poly1305 itself masks `r`.
 *
 * @see https://cr.yp.to/mac/poly1305-20050329.pdf
 */
export class Cipher {
  /** Not the bytes: from them every cipher would import the key anew, which takes longer than sealing a small blob. */
  readonly #encrypt: KeyObject
  readonly #random: Random
  readonly #nonces: Cipheriv
  readonly #oneTimeKey = Buffer.alloc(32)
  #ivs: Buffer = Buffer.alloc(0)

  constructor(keys: KeyMaterial, random: Random = systemRandom) {
    this.#encrypt = createSecretKey(keys.encrypt)
    this.#random = random
    // ECB keeps no state between blocks, so one object encrypts every nonce.
    this.#nonces = createCipheriv('aes-128-ecb', keys.macK, null).setAutoPadding(false)
    keys.macR.copy(this.#oneTimeKey)
  }

  seal(plaintext: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(plaintext.length + SEAL_BYTES)
    this.sealInto(plaintext, out, 0)
    return out
  }

  /** One after the other they are what `seal` gives. Large ciphertext is there once like this, and is not copied. */
  sealParts(plaintext: Uint8Array): [iv: Buffer, ciphertext: Buffer, mac: Buffer] {
    const iv = this.#nextIv()
    const body = createCipheriv('aes-256-ctr', this.#encrypt, iv).update(plaintext)
    const mac = Buffer.allocUnsafeSlow(MAC_BYTES)
    sodium.crypto_onetimeauth(mac, body, this.#prepareKey(iv))
    // In memory of its own, which may be handed to another thread.
    return [Buffer.allocUnsafeSlow(IV_BYTES).fill(iv), body, mac]
  }

  /** Writes `plaintext.length + SEAL_BYTES` bytes at `offset`; returns the offset after them. */
  sealInto(plaintext: Uint8Array, out: Buffer, offset: number): number {
    const iv = this.#nextIv()
    const bodyAt = offset + IV_BYTES
    const macAt = bodyAt + plaintext.length
    out.set(iv, offset)
    const cipher = createCipheriv('aes-256-ctr', this.#encrypt, iv)
    for (let at = 0; at < plaintext.length; at += PART_BYTES) {
      const ciphertext = cipher.update(plaintext.subarray(at, at + PART_BYTES))
      out.set(ciphertext, bodyAt + at)
      freeMemory(ciphertext)
    }
    const key = this.#prepareKey(iv)
    sodium.crypto_onetimeauth(out.subarray(macAt, macAt + MAC_BYTES), out.subarray(bodyAt, macAt), key)
    return macAt + MAC_BYTES
  }

  /** The plaintext, or undefined when the bytes are not what was sealed with these keys. */
  open(sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < SEAL_BYTES) return undefined
    const macAt = sealed.length - MAC_BYTES
    const iv = sealed.subarray(0, IV_BYTES)
    const body = sealed.subarray(IV_BYTES, macAt)
    const genuine = sodium.crypto_onetimeauth_verify(sealed.subarray(macAt), body, this.#prepareKey(iv))
    return genuine ? createCipheriv('aes-256-ctr', this.#encrypt, iv).update(body) : undefined
  }

  #prepareKey(iv: Uint8Array): Buffer {
    this.#oneTimeKey.set(this.#nonces.update(iv), 16)
    return this.#oneTimeKey
  }

  // Asking the system for 16 bytes costs more than sealing a small blob: take many at once.
  #nextIv(): Buffer {
    if (this.#ivs.length < IV_BYTES) this.#ivs = this.#random.bytes(IV_BYTES * 256)
    const iv = this.#ivs.subarray(0, IV_BYTES)
    this.#ivs = this.#ivs.subarray(IV_BYTES)
    return iv
  }
}
