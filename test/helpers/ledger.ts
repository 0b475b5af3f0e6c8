import { DatabaseSync } from 'node:sqlite'

/**
 * A database whose whole content follows from one number: transaction n moves an amount between two accounts, both
 * chosen by n, writes it down, and deletes transaction n - KEPT. So any state of it can be compared with what it has to be, without a log.
 */
const ACCOUNTS = 200
const START_BALANCE = 1000
/** Older transfers are deleted, so that pages are freed and used again and the file stays small. */
const KEPT = 20_000

export interface Transfer {
  readonly from: number
  readonly to: number
  readonly amount: number
  readonly memo: string
}

export function transfer(n: number): Transfer {
  const from = Math.imul(n, 48_271) >>> 0
  const to = Math.imul(n + 7, 69_621) >>> 0
  return { from: from % ACCOUNTS, to: to % ACCOUNTS, amount: 1 + (n % 50), memo: `transfer ${n} `.repeat(1 + (n % 12)) }
}

export function createLedger(path: string, journalMode: 'wal' | 'delete'): void {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = ${journalMode};
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE transfers (n INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, memo TEXT);
    CREATE INDEX transfers_by_source ON transfers (source, amount)`)
  const insert = db.prepare('INSERT INTO accounts VALUES (?, ?)')
  for (let id = 0; id < ACCOUNTS; id++) insert.run(id, START_BALANCE)
  db.close()
}

/** Carries out the n-th transaction. */
export class LedgerWriter {
  readonly #db: DatabaseSync
  readonly #move
  readonly #note
  readonly #drop

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#move = db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?')
    this.#note = db.prepare('INSERT INTO transfers VALUES (?, ?, ?, ?, ?)')
    this.#drop = db.prepare('DELETE FROM transfers WHERE n = ?')
  }

  write(n: number): void {
    const { from, to, amount, memo } = transfer(n)
    this.#db.exec('BEGIN IMMEDIATE')
    this.#move.run(-amount, from)
    this.#move.run(amount, to)
    this.#note.run(n, from, to, amount, memo)
    this.#drop.run(n - KEPT)
    this.#db.exec('COMMIT')
  }
}

/** Compares everything in the database with the model; returns how many transactions it holds. Throws what differs. */
export function verifyLedger(path: string): number {
  const db = new DatabaseSync(path)
  try {
    const last = Number(db.prepare('SELECT max(n) AS n FROM transfers').get()?.n ?? 0)
    let n = Math.max(0, last - KEPT)
    for (const row of db.prepare('SELECT * FROM transfers ORDER BY n').iterate()) {
      const wanted = transfer(++n)
      const found = { from: row.source, to: row.target, amount: row.amount, memo: row.memo }
      if (row.n !== n || JSON.stringify(found) !== JSON.stringify(wanted)) {
        throw new Error(`transfer ${n} is ${JSON.stringify(row)}`)
      }
    }
    const balances = balancesAfter(last)
    const rows = db.prepare('SELECT * FROM accounts ORDER BY id').all()
    if (rows.length !== ACCOUNTS) throw new Error(`${rows.length} accounts, not ${ACCOUNTS}`)
    rows.forEach((row, id) => {
      if (row.balance === balances[id]) return
      throw new Error(`after ${last} transfers account ${id} has ${row.balance}, not ${balances[id]}`)
    })
    const { integrity_check: integrity } = db.prepare('PRAGMA integrity_check').get() ?? {}
    if (integrity !== 'ok') throw new Error(`integrity_check says ${integrity}`)
    return last
  } finally {
    db.close()
  }
}

function balancesAfter(last: number): number[] {
  const balances = Array.from({ length: ACCOUNTS }, () => START_BALANCE)
  for (let n = 1; n <= last; n++) {
    const { from, to, amount } = transfer(n)
    balances[from] = (balances[from] ?? 0) - amount
    balances[to] = (balances[to] ?? 0) + amount
  }
  return balances
}
