import { invalid, parseObject } from './json.ts'
import { formatDate, parseDate } from './time.ts'

/** A key file: how to turn a password into a key, and the master keys sealed with that key. */
export interface KeyFile {
  readonly created: Date
  readonly username: string
  readonly hostname: string
  /** scrypt's cost (a power of two), block size and parallelism. */
  readonly n: number
  readonly r: number
  readonly p: number
  /** 64 bytes. */
  readonly salt: Buffer
  /** `IV || ciphertext || MAC` of the master keys' JSON. */
  readonly data: Buffer
}

/** Both keys that seal: AES-256 (32 bytes), and Poly1305-AES as `k` (AES-128) and `r` (16 bytes each). */
export interface KeyMaterial {
  readonly encrypt: Buffer
  readonly macK: Buffer
  readonly macR: Buffer
}

const SALT_BYTES = 64
/** What a key file may make us spend: 256 MiB and a few seconds. restic's own choice is at most 60 MiB. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024
const MAX_WORK = 2 ** 24
const MAX_DATA_BYTES = 64 * 1024

export function parseKeyFile(bytes: Uint8Array, subject: string): KeyFile {
  const fields = parseObject(bytes, subject)
  const kdf = fields.text('kdf')
  if (kdf !== 'scrypt') throw invalid(subject, 'its key derivation function is not scrypt')
  const file = {
    created: parseDate(fields.text('created'), subject),
    username: fields.optionalText('username') ?? '',
    hostname: fields.optionalText('hostname') ?? '',
    n: fields.count('N', 2 ** 24),
    r: fields.count('r', 1024),
    p: fields.count('p', 1024),
    salt: fields.bytes('salt', SALT_BYTES),
    data: fields.bytes('data', MAX_DATA_BYTES),
  }
  if (file.salt.length !== SALT_BYTES) throw invalid(subject, `its salt is not ${SALT_BYTES} bytes`)
  checkCost(file, subject)
  return file
}

function checkCost({ n, r, p }: KeyFile, subject: string): void {
  const powerOfTwo = n > 1 && (n & (n - 1)) === 0
  if (!powerOfTwo || r === 0 || p === 0) throw invalid(subject, 'its scrypt parameters are not valid')
  if (128 * n * r > MAX_MEMORY_BYTES || n * r * p > MAX_WORK) {
    throw invalid(subject, 'its scrypt parameters ask for too much memory or time')
  }
}

export function formatKeyFile(file: KeyFile): Buffer {
  const { created, username, hostname, n, r, p, salt, data } = file
  return Buffer.from(
    JSON.stringify({
      created: formatDate(created),
      username,
      hostname,
      kdf: 'scrypt',
      N: n,
      r,
      p,
      salt: salt.toString('base64'),
      data: data.toString('base64'),
    }),
  )
}

export function parseKeyMaterial(bytes: Uint8Array, subject: string): KeyMaterial {
  const fields = parseObject(bytes, subject)
  const mac = fields.optionalObject('mac')
  const encrypt = fields.bytes('encrypt', 32)
  const macK = mac?.bytes('k', 16)
  const macR = mac?.bytes('r', 16)
  if (encrypt.length !== 32 || macK?.length !== 16 || macR?.length !== 16) {
    throw invalid(subject, 'its master keys have a wrong length')
  }
  if (isZero(encrypt) || isZero(macK) || isZero(macR)) throw invalid(subject, 'its master keys are empty')
  return { encrypt, macK, macR }
}

export function formatKeyMaterial(keys: KeyMaterial): Buffer {
  const base64 = (bytes: Buffer): string => bytes.toString('base64')
  return Buffer.from(
    JSON.stringify({ mac: { k: base64(keys.macK), r: base64(keys.macR) }, encrypt: base64(keys.encrypt) }),
  )
}

function isZero(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0)
}
