import { DatabaseSync } from 'node:sqlite'

// A program that writes as fast as it can: `node busy-writer-main.ts PATH JOURNAL_MODE PAGE_SIZE`.
// Each transaction moves money between accounts and writes it down, so that in any whole state of the database
// - the sum of all balances is 0,
// - `state.n` is the number of rows in `moves` and the greatest id there,
// - the balance of each account is the sum of its moves.
const [path = '', journalMode = 'wal', pageSize = '4096'] = process.argv.slice(2)
const db = new DatabaseSync(path, { timeout: 10_000 })
db.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = ${journalMode}; PRAGMA synchronous = OFF;
  PRAGMA wal_autocheckpoint = 0;
  CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note TEXT);
  CREATE TABLE moves (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, pad BLOB);
  CREATE INDEX moves_by_target ON moves (target, amount);
  CREATE TABLE state (n INTEGER NOT NULL);
  INSERT INTO state VALUES (0);
  WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2000)
  INSERT INTO accounts SELECT n, 0, hex(randomblob(100)) FROM i`)
const move = db.prepare('INSERT INTO moves (source, target, amount, pad) VALUES (?, ?, ?, randomblob(200))')
const pay = db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?')
const count = db.prepare('UPDATE state SET n = n + 1')
const checkpoints = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']
let transactions = 0
let longestMs = 0
let checkpointed = 0
let stop = false

function transact(): void {
  const started = performance.now()
  const [source, target, amount] = [random(2000), random(2000), random(1000)]
  db.exec('BEGIN IMMEDIATE')
  move.run(source, target, amount)
  pay.run(-amount, source)
  pay.run(amount, target)
  count.run()
  db.exec('COMMIT')
  longestMs = Math.max(longestMs, performance.now() - started)
  transactions += 1
  if (journalMode === 'wal' && transactions % 700 === 0) {
    // Its own waiting for readers is no writer's wait.
    db.exec(
      `PRAGMA busy_timeout = 1; PRAGMA wal_checkpoint(${checkpoints[checkpointed++ % 4]}); PRAGMA busy_timeout = 10000`,
    )
  }
}

function random(below: number): number {
  return 1 + Math.floor(Math.random() * below)
}

function burst(): void {
  const until = performance.now() + 20
  while (performance.now() < until) transact()
  if (stop) process.send?.({ transactions, longestMs }, () => process.disconnect())
  else setImmediate(burst)
}

process.on('message', () => {
  stop = true
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
burst()
