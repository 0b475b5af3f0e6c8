/**
 * `lifeboat wal push|fetch` without a configuration, for servers that the tests start: PostgreSQL runs it in its data
 * directory. Arguments: verb, folder of the archive, and PostgreSQL's own.
 */
import { readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { fetchWal } from '../../src/operations/wal/fetch.ts'
import { pushWal } from '../../src/operations/wal/push.ts'
import { WalSpool } from '../../src/operations/wal/spool.ts'
import { findSystemIdentifier } from '../../src/operations/wal/wal-file.ts'
import type { SealedWalStore } from '../../src/repository/wal/wal-store.ts'
import { LocalStorage } from '../../src/storage/local/local-storage.ts'
import { makeWalStore } from './wal-store.ts'

const KEY_FILE = 'wal-key'

/** The archive of a test: 64 random bytes in `wal-key` are its key. */
export function openTestWalStore(folder: string): SealedWalStore {
  const key = readFileSync(join(folder, KEY_FILE))
  const keys = { encrypt: key.subarray(0, 32), macK: key.subarray(32, 48), macR: key.subarray(48, 64) }
  return makeWalStore(new LocalStorage(`${folder}/archive`), keys)
}

async function main([verb = '', folder = '', ...rest]: string[]): Promise<number> {
  const systemIdentifier = await findSystemIdentifier(process.cwd())
  if (systemIdentifier === undefined) throw new Error('not in a data directory')
  const common = {
    openStores: async () => [openTestWalStore(folder)],
    spool: new WalSpool(join(folder, 'spool'), systemIdentifier, folder),
    systemIdentifier,
    clock: systemClock,
    logger: silentLogger,
    signal: new AbortController().signal,
  }
  if (verb === 'push') {
    await pushWal({ ...common, path: resolve(rest[0] ?? '') })
    return 0
  }
  const outcome = await fetchWal({ ...common, name: basename(rest[0] ?? ''), destination: resolve(rest[1] ?? '') })
  return outcome === 'fetched' ? 0 : 1
}

if (import.meta.filename === process.argv[1]) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  }
}
