/** Writes ledger transactions at full speed until its parent is gone; tells the parent how far it is. */
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as breathe } from 'node:timers/promises'
import { LedgerWriter } from './ledger.ts'

const CHECKPOINTS = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']

const parent = new AbortController()
process.on('disconnect', () => parent.abort())

await writeAll(process.argv[2] ?? '')

async function writeAll(path: string): Promise<void> {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA busy_timeout = 20000; PRAGMA synchronous = OFF; PRAGMA cache_size = 50')
  const writer = new LedgerWriter(db)
  for (let n = 1; !parent.signal.aborted; n++) {
    writer.write(n)
    // As busy applications do, now and then and of every kind; who reads must not care.
    if (n % 700 === 0) db.exec(`PRAGMA wal_checkpoint(${CHECKPOINTS[(n / 700) % CHECKPOINTS.length]})`)
    if (n % 20 === 0) {
      if (process.connected) process.send?.({ n }, undefined, undefined, parentMayBeGone)
      await breathe()
    }
  }
  db.close()
}

function parentMayBeGone(): void {}
