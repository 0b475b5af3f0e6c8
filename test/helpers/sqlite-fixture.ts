import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import type { SourceContract, SourceFixture } from '../contracts/source-contract.ts'
import { SqliteProcess } from './sqlite-process.ts'

interface Application {
  exec(sql: string): Promise<void>
  close(): Promise<void>
}

const otherProcess = (path: string): Application => {
  const application = new SqliteProcess(path)
  return { exec: sql => application.exec(sql), close: () => application.kill() }
}

/** The application that embeds us: its locks and our descriptors share a process. */
const thisProcess = (path: string): Application => {
  const db = new DatabaseSync(path)
  return { exec: sql => Promise.resolve(db.exec(sql)), close: () => Promise.resolve(db.close()) }
}

/** A SQLite database under an application that has it open all the time, in another process or in this one. */
export function sqliteContract(journalMode: string, place: 'other process' | 'this process'): SourceContract {
  const open = place === 'other process' ? otherProcess : thisProcess
  return {
    kind: 'sqlite',
    make: dir => makeFixture(dir, journalMode, open),
    makeMissing: dir => Promise.resolve(new SqliteSource('gone', { path: 'gone.db' }, { baseDir: dir })),
  }
}

async function makeFixture(
  dir: string,
  journalMode: string,
  open: (path: string) => Application,
): Promise<SourceFixture> {
  const path = join(dir, 'app.db')
  const application = open(path)
  await application.exec(`PRAGMA journal_mode = ${journalMode};
    CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO t SELECT i, 'row ' || i, randomblob(300) FROM n`)
  return {
    source: new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }),
    mutate: step =>
      application.exec(`BEGIN; UPDATE t SET v = v || ' ${step}' WHERE id % 50 = ${step};
        INSERT INTO t (v) VALUES ('new ${step}'); COMMIT`),
    digest: () => Promise.resolve(digestOf(path)),
    digestRestored: target => {
      if (!existsSync(target)) throw new Error(`nothing at ${target}`)
      return Promise.resolve(digestOf(target))
    },
    target: name => join(dir, `${name}.db`),
    close: () => application.close(),
  }
}

function digestOf(path: string): string {
  const db = new DatabaseSync(path)
  try {
    const hash = createHash('sha256')
    for (const row of db.prepare('SELECT id, v, hex(b) AS b FROM t ORDER BY id').iterate()) {
      hash.update(JSON.stringify(row))
    }
    return hash.digest('hex')
  } finally {
    db.close()
  }
}
