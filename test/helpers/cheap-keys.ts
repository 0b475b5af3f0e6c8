import { createHash, scryptSync } from 'node:crypto'
import { chownSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../../src/base/secret.ts'
import { Cipher } from '../../src/repository/crypto/cipher.ts'
import { openKeyFile } from '../../src/repository/crypto/password.ts'
import { formatKeyFile, formatKeyMaterial, parseKeyFile } from '../../src/repository/format/key-file.ts'

/** Opening a repository costs 93 ms with our keys, and as much for restic; a tenth of a millisecond with these. */
const COST = 2

/** Seals the keys of a new repository on a disk again, so that each later command of a test opens it for nearly nothing. */
export async function cheapenKeys(repository: string, password: string): Promise<void> {
  const folder = join(repository, 'keys')
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const key = parseKeyFile(readFileSync(path), name)
    const master = key.n === COST ? undefined : await openKeyFile(key, new Secret(password), name)
    if (master === undefined) continue
    const bytes = scryptSync(password, key.salt, 64, { N: COST, r: key.r, p: key.p })
    const sealing = { encrypt: bytes.subarray(0, 32), macK: bytes.subarray(32, 48), macR: bytes.subarray(48, 64) }
    const cheap = formatKeyFile({ ...key, n: COST, data: new Cipher(sealing).seal(formatKeyMaterial(master)) })
    const { mode, uid, gid } = statSync(path)
    const renamed = join(folder, createHash('sha256').update(cheap).digest('hex'))
    writeFileSync(renamed, cheap, { mode })
    chownSync(renamed, uid, gid)
    rmSync(path)
  }
}
