import { closeSync, existsSync, openSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { PROOF_LEVELS, type ProofLevel, type ProofRecord } from '../../model/recovery-point.ts'
import { type Catalog, type OpenCatalog, RUN_OUTCOMES, type Run, type RunQuery } from '../catalog.ts'

const FILE_NAME = 'catalog.sqlite'
const BUSY_TIMEOUT_MS = 10_000
const VERSION = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, operation TEXT NOT NULL, source TEXT, repository TEXT, started_at TEXT NOT NULL,
    finished_at TEXT NOT NULL, outcome TEXT NOT NULL, snapshot TEXT, statistics TEXT NOT NULL, findings TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS run_by_start ON run (started_at);
  CREATE TABLE IF NOT EXISTS proof (
    repository_id TEXT NOT NULL, snapshot TEXT NOT NULL, strength INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (repository_id, snapshot)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`

/** Opens `catalog.sqlite` in the folder. One that is damaged or of another version is put aside and begun anew. */
export const openSqliteCatalog: OpenCatalog = async (place, onFinding) => {
  const file = join(place, FILE_NAME)
  try {
    return new SqliteCatalog(file, openDatabase(file))
  } catch (error) {
    if (!isUnusable(error)) throw wrapped(file, error)
    putAside(file, error, onFinding)
    try {
      return new SqliteCatalog(file, openDatabase(file))
    } catch (again) {
      throw wrapped(file, again)
    }
  }
}

class UnknownVersion extends Error {}

function openDatabase(file: string): DatabaseSync {
  // SQLite creates files 0644 less the umask; whoever comes first must not leave it readable.
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
    if (version > VERSION) throw new UnknownVersion(`it is of version ${version}`)
    if (version < VERSION) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`)
    database.prepare('SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM proof)').get()
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

// https://www.sqlite.org/rescode.html: 1 is a schema that lacks our tables, 11 "malformed", 26 "not a database".
const UNUSABLE = new Set([1, 11, 26])

function isUnusable(error: unknown): boolean {
  if (error instanceof UnknownVersion) return true
  return error instanceof Error && 'errcode' in error && UNUSABLE.has(Number(error.errcode) & 0xff)
}

function putAside(file: string, cause: unknown, onFinding: (finding: Finding) => void): void {
  const aside = `${file}.damaged`
  for (const suffix of ['', '-journal', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
  }
  onFinding({
    severity: 'warning',
    code: 'catalog-rebuilt',
    subject: file,
    message: `the catalog could not be used and was begun anew: ${messageOf(cause)}`,
    hint: `The old one is ${aside}. No backup is lost; proofs come back with the next check and restore.`,
  })
}

function wrapped(file: string, cause: unknown): AppError {
  return new AppError('failed', `cannot open the catalog ${file}: ${messageOf(cause)}`, {
    hint: 'Check that you may write to its folder and that the disk is not full.',
    cause,
  })
}

class SqliteCatalog implements Catalog {
  readonly #file: string
  readonly #database: DatabaseSync

  constructor(file: string, database: DatabaseSync) {
    this.#file = file
    this.#database = database
  }

  async saveRun(run: Run): Promise<void> {
    const row = [
      run.id,
      run.operation,
      run.source ?? null,
      run.repository ?? null,
      run.startedAt.toISOString(),
      run.finishedAt.toISOString(),
      run.outcome,
      run.snapshot ?? null,
      JSON.stringify(run.statistics),
      JSON.stringify(run.findings),
    ]
    this.#use(database =>
      database.prepare('INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(...row),
    )
  }

  async listRuns(query: RunQuery): Promise<Run[]> {
    const where: string[] = []
    const values: SQLInputValue[] = []
    for (const column of ['operation', 'source'] as const) {
      const wanted = query[column]
      if (wanted === undefined) continue
      where.push(`${column} = ?`)
      values.push(wanted)
    }
    const filter = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`
    const select = `SELECT * FROM run ${filter} ORDER BY started_at DESC, id DESC LIMIT ?`
    return this.#use(database => database.prepare(select).all(...values, query.limit)).map(toRun)
  }

  async saveProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void> {
    this.#saveStrengths(repositoryId, snapshotIds, strengthOf(level), at)
  }

  async saveFailedProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void> {
    this.#saveStrengths(repositoryId, snapshotIds, -strengthOf(level), at)
  }

  #saveStrengths(repositoryId: Id, snapshotIds: readonly Id[], strength: number, at: Date): void {
    this.#use(database => {
      const known = database.prepare('SELECT strength FROM proof WHERE repository_id = ? AND snapshot = ?')
      const save = database.prepare('INSERT OR REPLACE INTO proof VALUES (?, ?, ?, ?)')
      database.exec('BEGIN IMMEDIATE')
      try {
        for (const id of snapshotIds) {
          const before = Number(known.get(repositoryId, id)?.strength ?? 0)
          // A failure is news; a proof counts when it is as strong as what is known, be that a proof or a failure.
          if (strength < 0 || strength >= Math.abs(before)) save.run(repositoryId, id, strength, at.toISOString())
        }
        database.exec('COMMIT')
      } catch (error) {
        // A failed COMMIT may have ended the transaction already.
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    })
  }

  async listProofs(repositoryId: Id): Promise<ReadonlyMap<Id, ProofRecord>> {
    const rows = this.#use(database =>
      database.prepare('SELECT snapshot, strength, at FROM proof WHERE repository_id = ?').all(repositoryId),
    )
    return new Map(rows.map(row => [String(row.snapshot), toProof(row)]))
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
  }

  /** SQLite's errors become ours at this edge. */
  #use<T>(work: (database: DatabaseSync) => T): T {
    try {
      return work(this.#database)
    } catch (error) {
      if (systemCode(error) !== 'ERR_SQLITE_ERROR') throw error
      throw new AppError('failed', `cannot use the catalog ${this.#file}: ${messageOf(error)}`, {
        hint: 'Check that you may write there and that the disk is not full.',
        cause: error,
      })
    }
  }
}

type Row = Readonly<Record<string, unknown>>

/** As in the column: 1 `checked`, 2 `restored`; negative where that failed. */
const strengthOf = (level: ProofLevel): number => PROOF_LEVELS.indexOf(level) + 1

function toProof(row: Row): ProofRecord {
  const level = PROOF_LEVELS[Number(row.strength) - 1]
  return { proof: level ?? 'failed', at: new Date(String(row.at)) }
}

function toRun(row: Row): Run {
  return {
    id: String(row.id),
    operation: String(row.operation),
    ...(typeof row.source === 'string' ? { source: row.source } : {}),
    ...(typeof row.repository === 'string' ? { repository: row.repository } : {}),
    startedAt: new Date(String(row.started_at)),
    finishedAt: new Date(String(row.finished_at)),
    outcome: RUN_OUTCOMES.find(outcome => outcome === row.outcome) ?? 'failed',
    ...(typeof row.snapshot === 'string' ? { snapshot: row.snapshot } : {}),
    statistics: JSON.parse(String(row.statistics)) as Run['statistics'],
    findings: JSON.parse(String(row.findings)) as Finding[],
  }
}
