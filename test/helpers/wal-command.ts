/**
 * `lifeboat wal push|fetch` without a configuration, for servers that the tests start: PostgreSQL runs it in its data
 * directory. Arguments: verb, folder of the archive, and PostgreSQL's own.
 */
import { readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { messageOf } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { LogId } from '../../src/model/log.ts'
import { fetchFile } from '../../src/operations/logs/fetch.ts'
import { pushFile } from '../../src/operations/logs/push.ts'
import { LogSpool } from '../../src/operations/logs/spool.ts'
import type { SealedLogStore } from '../../src/repository/logs/log-store.ts'
import { findSystemIdentifier, walFormat } from '../../src/sources/postgres/physical/log/log-format.ts'
import { LocalStorage } from '../../src/storage/local/local-storage.ts'
import { makeLogStore } from './log-store.ts'

const KEY_FILE = 'wal-key'
const KIND = 'postgres-cluster'

/** The archive of a test: 64 random bytes in `wal-key` are its key. */
export function openTestLogStore(folder: string): SealedLogStore {
  const key = readFileSync(join(folder, KEY_FILE))
  const keys = { encrypt: key.subarray(0, 32), macK: key.subarray(32, 48), macR: key.subarray(48, 64) }
  return makeLogStore(new LocalStorage(`${folder}/archive`), keys)
}

/** A cluster's log in it. */
export function testLog(id: string): LogId {
  return { kind: KIND, id }
}

async function main([verb = '', folder = '', ...rest]: string[]): Promise<number> {
  const systemIdentifier = await findSystemIdentifier(process.cwd())
  if (systemIdentifier === undefined) throw new Error('not in a data directory')
  const common = {
    openStores: async () => [openTestLogStore(folder)],
    spool: new LogSpool(join(folder, 'spool'), systemIdentifier, folder),
    format: walFormat,
    clock: systemClock,
    logger: silentLogger,
    signal: new AbortController().signal,
  }
  if (verb === 'push') {
    await pushFile({ ...common, kind: KIND, id: systemIdentifier, path: resolve(rest[0] ?? '') })
    return 0
  }
  const wanted = { name: basename(rest[0] ?? ''), destination: resolve(rest[1] ?? '') }
  const outcome = await fetchFile({ ...common, ...wanted, log: testLog(systemIdentifier) })
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
