import { appendFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'

// An application of one habit: `habits-main.ts DATABASE LOG NAME JOURNAL_MODE stays|opens|forgets short|long`. One that
// forgets drops a connection unclosed and opens another: garbage collection closes the first one some time. Each row has a
// name of its own, which goes to LOG when its transaction was committed: an acknowledged row.
const [path = '', log = '', name = '', mode = '', connection = '', transaction = ''] = process.argv.slice(2)
const rows = transaction === 'long' ? 6 : 1
let db: DatabaseSync | undefined
let stopped = false
process.once('SIGTERM', () => {
  stopped = true
})
process.send?.('ready')
for (let serial = 0; !stopped; serial += rows) {
  const ids = Array.from({ length: rows }, (_, at) => `${name}-${serial + at}`)
  try {
    db ??= open()
    db.exec('BEGIN IMMEDIATE')
    for (const id of ids) {
      db.prepare('INSERT INTO acked VALUES (?)').run(id)
      if (rows > 1) await setTimeout(15)
    }
    db.exec('COMMIT')
    appendFileSync(log, ids.map(id => `${id}\n`).join(''))
    if (connection === 'opens') close()
    if (connection === 'forgets') db = undefined
  } catch {
    // Locked, sealed, or swapped: not acknowledged. It opens the database again, as applications do.
    close()
  }
  await setTimeout(5)
}
close()
process.disconnect()

function open(): DatabaseSync {
  const opened = new DatabaseSync(path, { timeout: 3000 })
  try {
    opened.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE IF NOT EXISTS acked (id TEXT PRIMARY KEY)`)
    return opened
  } catch (error) {
    opened.close()
    throw error
  }
}

function close(): void {
  db?.close()
  db = undefined
}
