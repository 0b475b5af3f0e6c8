import { closeSync, fstatSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { MESSAGES_A_USER, makeMessage, type Writer } from './mail-messages.ts'
import { SeededRandom, TextGenerator } from './random-text.ts'

const SCHEMA = `
  CREATE TABLE users (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL);
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, folder TEXT NOT NULL, flags INTEGER NOT NULL,
    sent_at INTEGER NOT NULL, message_id TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL,
    token TEXT NOT NULL, body TEXT NOT NULL);
`
const INDEXES = `
  CREATE INDEX messages_by_user ON messages (user_id, sent_at);
  CREATE UNIQUE INDEX messages_by_message_id ON messages (message_id);
  CREATE INDEX messages_by_sender ON messages (sender);
  CREATE INDEX messages_by_token ON messages (token);
`
const PAGE_BYTES = 4096
/** What a message takes in the file, indexes and unused space included; measured. */
const BYTES_A_MESSAGE = 2470
const FIRST_DAY = 1_700_000_000

export interface MailDatabaseOptions {
  /** Of the file; met to within a few percent. */
  readonly sizeBytes: number
  /** Equal seeds give equal files. */
  readonly seed: number
}

/**
 * Makes a database like a mail service's: users, messages with natural-looking text and random tokens, and secondary
 * indexes over them. In WAL mode, as most applications keep theirs.
 */
export function generateMailDatabase(path: string, options: MailDatabaseOptions): void {
  rmSync(path, { force: true })
  const random = new SeededRandom(options.seed)
  const writer = { random, text: new TextGenerator(random) }
  const messages = Math.max(100, Math.round(options.sizeBytes / BYTES_A_MESSAGE))
  const users = Math.max(5, Math.round(messages / MESSAGES_A_USER))
  const db = new DatabaseSync(path)
  try {
    // Nothing is lost with a half-made file, so no journal and no fsync while it is made.
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY; ${SCHEMA} BEGIN`)
    insertUsers(db, users, writer)
    insertMessages(db, { first: 1, count: messages, users }, writer)
    db.exec(`${INDEXES} COMMIT; ANALYZE; PRAGMA journal_mode = WAL`)
  } finally {
    db.close()
  }
}

export interface TouchOptions {
  readonly percent: number
  readonly seed: number
  /** New messages to add too, as a part of those that are there, in percent. */
  readonly addPercent?: number
}

export interface Touched {
  readonly pages: number
  readonly changedPages: number
}

/**
 * Changes that percentage of the pages at random, as an application does: flags set (the row's page), bodies edited
 * (overflow pages too), a few tokens renewed (two pages of an index too). Every page is counted that SQLite wrote.
 */
export function touchPages(path: string, options: TouchOptions): Touched {
  const random = new SeededRandom(options.seed)
  const db = new DatabaseSync(path)
  try {
    // No checkpoint before the end: the WAL then lists every page that was written.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0')
    const pages = numberOf(db, 'PRAGMA page_count')
    const messages = numberOf(db, 'SELECT max(id) FROM messages')
    const wanted = Math.round((pages * options.percent) / 100)
    const update = prepareUpdates(db, random, messages)
    for (let changed = 0; changed < wanted; changed = writtenPages(`${path}-wal`).size) {
      db.exec('BEGIN')
      for (let left = Math.max(1, Math.round((wanted - changed) / 2)); left > 0; left--) update()
      db.exec('COMMIT')
    }
    if (options.addPercent) addMessages(db, { random, messages, percent: options.addPercent })
    return { pages, changedPages: writtenPages(`${path}-wal`).size }
  } finally {
    db.close()
  }
}

/** How many 4096-byte pages differ between two files. */
export function countDifferentPages(one: string, other: string): { pages: number; different: number } {
  const files = [openSync(one, 'r'), openSync(other, 'r')] as const
  try {
    const [a, b] = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)]
    const size = Math.max(fstatSync(files[0]).size, fstatSync(files[1]).size)
    let different = 0
    for (let at = 0; at < size; at += a.length) {
      a.fill(0, readSync(files[0], a, 0, a.length, at))
      b.fill(0, readSync(files[1], b, 0, b.length, at))
      if (a.equals(b)) continue
      for (let page = 0; page < a.length; page += PAGE_BYTES) {
        if (a.compare(b, page, page + PAGE_BYTES, page, page + PAGE_BYTES) !== 0) different++
      }
    }
    return { pages: Math.ceil(size / PAGE_BYTES), different }
  } finally {
    for (const file of files) closeSync(file)
  }
}

function insertUsers(db: DatabaseSync, count: number, { random, text }: Writer): void {
  const insert = db.prepare('INSERT INTO users VALUES (?, ?, ?, ?, ?)')
  for (let id = 1; id <= count; id++) {
    const name = `${text.word()} ${text.word()}`
    insert.run(id, `${name.replace(' ', '.')}.${id}@example.com`, name, random.hex(64), FIRST_DAY + id * 60)
  }
}

interface Range {
  readonly first: number
  readonly count: number
  readonly users: number
}

function insertMessages(db: DatabaseSync, range: Range, writer: Writer): void {
  const insert = db.prepare('INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  for (let id = range.first; id < range.first + range.count; id++) insert.run(...makeMessage(id, range.users, writer))
}

function addMessages(
  db: DatabaseSync,
  { random, messages, percent }: { random: SeededRandom; messages: number; percent: number },
): void {
  const count = Math.round((messages * percent) / 100)
  const users = numberOf(db, 'SELECT max(id) FROM users')
  db.exec('BEGIN')
  insertMessages(db, { first: messages + 1, count, users }, { random, text: new TextGenerator(random) })
  db.exec('COMMIT')
}

/** Each call changes one row chosen at random. */
function prepareUpdates(db: DatabaseSync, random: SeededRandom, messages: number): () => void {
  const flag = db.prepare('UPDATE messages SET flags = 2 + (flags + 7) % 120 WHERE id = ?')
  const token = db.prepare('UPDATE messages SET token = ? WHERE id = ?')
  const body = db.prepare('UPDATE messages SET body = substr(body, 1, length(body) - 16) || ? WHERE id = ?')
  return () => {
    const id = 1 + random.below(messages)
    const kind = random.below(100)
    if (kind < 85) flag.run(id)
    else if (kind < 98) body.run(random.hex(16), id)
    else token.run(random.hex(48), id)
  }
}

/**
 * The numbers of the pages in a write-ahead log.
 *
 * @see https://www.sqlite.org/fileformat2.html#walformat
 */
function writtenPages(walPath: string): Set<number> {
  const pages = new Set<number>()
  const file = openSync(walPath, 'r')
  try {
    const frame = Buffer.alloc(4)
    for (let at = 32; at < statSync(walPath).size; at += 24 + PAGE_BYTES) {
      readSync(file, frame, 0, 4, at)
      pages.add(frame.readUInt32BE(0))
    }
  } finally {
    closeSync(file)
  }
  return pages
}

function numberOf(db: DatabaseSync, sql: string): number {
  const row = db.prepare(sql).get() ?? {}
  return Number(Object.values(row)[0])
}
