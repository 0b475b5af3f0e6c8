import { scrypt } from 'node:crypto'
import type { Random } from '../../base/random.ts'
import type { Secret } from '../../base/secret.ts'
import { formatKeyMaterial, type KeyFile, type KeyMaterial, parseKeyMaterial } from '../format/key-file.ts'
import { Cipher } from './cipher.ts'

/** 32 MiB and about 70 ms on the machine this was measured on; see docs/decisions/engine.md. */
export const SCRYPT = { n: 32768, r: 8, p: 1 } as const

export interface KeyOrigin {
  readonly created: Date
  readonly hostname: string
  readonly username: string
}

/** The master keys in a key file, or undefined when the password is not the one it was made with. */
export async function openKeyFile(file: KeyFile, password: Secret, subject: string): Promise<KeyMaterial | undefined> {
  const plaintext = new Cipher(await deriveKeys(password, file)).open(file.data)
  return plaintext && parseKeyMaterial(plaintext, subject)
}

/** A key file that opens the same master keys with another password. */
export async function makeKeyFile(
  master: KeyMaterial,
  password: Secret,
  origin: KeyOrigin,
  random: Random,
): Promise<KeyFile> {
  const parameters = { ...SCRYPT, salt: random.bytes(64) }
  const user = await deriveKeys(password, parameters)
  return { ...origin, ...parameters, data: new Cipher(user, random).seal(formatKeyMaterial(master)) }
}

export function randomKeys(random: Random): KeyMaterial {
  return { encrypt: random.bytes(32), macK: random.bytes(16), macR: random.bytes(16) }
}

/** scrypt's 64 bytes are the AES-256 key, then `k` and `r` of Poly1305-AES. */
async function deriveKeys(password: Secret, file: Pick<KeyFile, 'n' | 'r' | 'p' | 'salt'>): Promise<KeyMaterial> {
  const { n, r, p, salt } = file
  // Node counts a little more than 128 * N * r against its limit.
  const maxmem = 128 * n * r + 128 * r * p + 1024 * 1024
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    scrypt(password.reveal(), salt, 64, { N: n, r, p, maxmem }, (error, key) => (error ? reject(error) : resolve(key)))
  })
  return { encrypt: bytes.subarray(0, 32), macK: bytes.subarray(32, 48), macR: bytes.subarray(48, 64) }
}
