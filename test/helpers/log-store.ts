import { Cipher } from '../../src/repository/crypto/cipher.ts'
import type { KeyMaterial } from '../../src/repository/format/key-file.ts'
import { SealedLogStore } from '../../src/repository/logs/log-store.ts'
import { WorkerPool } from '../../src/repository/workers/pool.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** The log's part of a repository, without the rest. */
export function makeLogStore(storage: Storage, keys: KeyMaterial): SealedLogStore {
  return new SealedLogStore(storage, {
    cipher: new Cipher(keys),
    workers: new WorkerPool({ keys, version: 2, size: undefined }),
  })
}
