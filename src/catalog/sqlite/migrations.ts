import type { DatabaseSync } from 'node:sqlite'

/** From each version of the schema to the next; a new file takes all of them. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE run (
     id TEXT PRIMARY KEY, operation TEXT NOT NULL, source TEXT, repository TEXT, started_at TEXT NOT NULL,
     finished_at TEXT NOT NULL, outcome TEXT NOT NULL, snapshot TEXT, statistics TEXT NOT NULL, findings TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX run_by_start ON run (started_at);
   CREATE TABLE proof (
     repository_id TEXT NOT NULL, snapshot TEXT NOT NULL, strength INTEGER NOT NULL, at TEXT NOT NULL,
     PRIMARY KEY (repository_id, snapshot)
   ) STRICT, WITHOUT ROWID;`,
  // A run gets attempts, and is there from its beginning.
  `ALTER TABLE run RENAME TO run_1;
   DROP INDEX run_by_start;
   CREATE TABLE run (
     id TEXT PRIMARY KEY, operation TEXT NOT NULL, policy TEXT, started_at TEXT NOT NULL, owner TEXT NOT NULL,
     finished_at TEXT, outcome TEXT, findings TEXT
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX run_by_start ON run (started_at);
   CREATE TABLE attempt (
     run TEXT NOT NULL REFERENCES run (id), number INTEGER NOT NULL, operation TEXT NOT NULL, source TEXT, repository TEXT,
     started_at TEXT NOT NULL, finished_at TEXT NOT NULL, outcome TEXT NOT NULL, snapshot TEXT, statistics TEXT NOT NULL,
     findings TEXT NOT NULL, PRIMARY KEY (run, number)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX attempt_by_copy ON attempt (operation, source, repository, started_at);
   INSERT INTO run SELECT id, operation, NULL, started_at, '{"hostname":"","pid":0}', finished_at, outcome, '[]' FROM run_1;
   INSERT INTO attempt SELECT id, 1, operation, source, repository, started_at, finished_at, outcome, snapshot, statistics,
     findings FROM run_1;
   DROP TABLE run_1;
   CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE job (
     name TEXT PRIMARY KEY, schedule TEXT NOT NULL, since TEXT NOT NULL, paused_until TEXT
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE slot (
     job TEXT NOT NULL, at TEXT NOT NULL, wall TEXT NOT NULL, timezone TEXT NOT NULL, schedule TEXT NOT NULL,
     attempt INTEGER NOT NULL, phase TEXT NOT NULL, changed_at TEXT NOT NULL, owner TEXT, run TEXT, PRIMARY KEY (job, at)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX slot_by_change ON slot (changed_at);`,
  `CREATE TABLE alert (
     key TEXT NOT NULL, opened_at TEXT NOT NULL, finding TEXT NOT NULL, told_at TEXT, told INTEGER NOT NULL,
     missing_since TEXT, silenced_until TEXT, closed_at TEXT, PRIMARY KEY (key, opened_at)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX alert_by_close ON alert (closed_at);
   CREATE TABLE notice (
     id TEXT PRIMARY KEY, notifier TEXT NOT NULL, content TEXT NOT NULL, created_at TEXT NOT NULL, tries INTEGER NOT NULL,
     next_at TEXT NOT NULL, failure TEXT, settled_at TEXT
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX notice_by_settled ON notice (settled_at);`,
]

const NEWEST = MIGRATIONS.length

/** Written by a later version of Lifeboat: it is not ours to change, nor to put aside. */
export class NewerVersion extends Error {}

/** Brings the schema to the newest version, each step whole or not at all. Throws `NewerVersion`. */
export function migrate(database: DatabaseSync): void {
  // Most openings find nothing to do, and must not wait for a writer to learn it.
  for (let version = versionOf(database); version !== NEWEST; version = versionOf(database)) {
    if (version > NEWEST) throw new NewerVersion(`it is of version ${version}; this Lifeboat knows ${NEWEST}`)
    database.exec('BEGIN IMMEDIATE')
    try {
      // Another process may have done it while this one waited.
      const found = versionOf(database)
      const step = MIGRATIONS[found]
      if (found === version && step !== undefined) database.exec(`${step} PRAGMA user_version = ${found + 1};`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
}
