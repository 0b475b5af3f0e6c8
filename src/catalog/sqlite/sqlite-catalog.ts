import { closeSync, existsSync, openSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { ProofLevel, ProofRecord } from '../../model/recovery-point.ts'
import {
  type AlertRecord,
  type Attempt,
  type AttemptQuery,
  type Catalog,
  type JobRecord,
  type Lease,
  type NewRun,
  type NoticeRecord,
  type OpenCatalog,
  type RunEnd,
  type RunQuery,
  type RunRecord,
  type SlotQuery,
  type SlotRecord,
} from '../catalog.ts'
import { migrate, NewerVersion } from './migrations.ts'
import { slotColumns, strengthOf, toAlert, toAttempt, toJob, toNotice, toProof, toRun, toSlot } from './rows.ts'

const FILE_NAME = 'catalog.sqlite'
const BUSY_TIMEOUT_MS = 10_000

/** Opens `catalog.sqlite` in the folder. A damaged one is put aside and begun anew; a newer one is an error. */
export const openSqliteCatalog: OpenCatalog = async (place, onFinding) => {
  const file = join(place, FILE_NAME)
  try {
    return new SqliteCatalog(file, openDatabase(file))
  } catch (error) {
    if (error instanceof NewerVersion) throw newer(file, error)
    if (!isUnusable(error)) throw wrapped(file, error)
    putAside(file, error, onFinding)
    try {
      return new SqliteCatalog(file, openDatabase(file))
    } catch (again) {
      throw wrapped(file, again)
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  // SQLite creates files 0644 less the umask; whoever comes first must not leave it readable.
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    migrate(database)
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
  return error instanceof Error && 'errcode' in error && UNUSABLE.has(Number(error.errcode) & 0xff)
}

function newer(file: string, cause: NewerVersion): AppError {
  return new AppError('unsupported', `cannot use the catalog ${file}: ${cause.message}`, {
    hint: 'Update Lifeboat, or name another state folder with "state:" in the configuration.',
    cause,
  })
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

  async beginRun({ id, operation, policy, startedAt, owner }: NewRun): Promise<void> {
    this.#run(
      'INSERT INTO run (id, operation, policy, started_at, owner) VALUES (?, ?, ?, ?, ?)',
      id,
      operation,
      policy ?? null,
      startedAt.toISOString(),
      JSON.stringify(owner),
    )
  }

  async saveAttempt(runId: string, attempt: Attempt): Promise<void> {
    this.#run(
      `INSERT INTO attempt SELECT ?1, 1 + (SELECT count(*) FROM attempt WHERE run = ?1), ?, ?, ?, ?, ?, ?, ?, ?, ?`,
      runId,
      attempt.operation,
      attempt.source ?? null,
      attempt.repository ?? null,
      attempt.startedAt.toISOString(),
      attempt.finishedAt.toISOString(),
      attempt.outcome,
      attempt.snapshot ?? null,
      JSON.stringify(attempt.statistics),
      JSON.stringify(attempt.findings),
    )
  }

  async endRun(runId: string, { outcome, finishedAt, findings }: RunEnd): Promise<void> {
    this.#run(
      'UPDATE run SET outcome = ?, finished_at = ?, findings = ? WHERE id = ?',
      outcome,
      finishedAt.toISOString(),
      JSON.stringify(findings),
      runId,
    )
  }

  async listRuns({ id, operation, source, limit }: RunQuery): Promise<RunRecord[]> {
    const where: string[] = []
    const values: SQLInputValue[] = []
    const add = (condition: string, value: SQLInputValue | undefined): void => {
      if (value === undefined) return
      where.push(condition)
      values.push(value)
    }
    add('substr(id, 1, length(?1)) = ?1', id)
    add('operation = ?', operation)
    add('EXISTS (SELECT 1 FROM attempt WHERE run = run.id AND source = ?)', source)
    const filter = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`
    return this.#use(database => {
      const rows = database
        .prepare(`SELECT * FROM run ${filter} ORDER BY started_at DESC, id DESC LIMIT ?`)
        .all(...values, limit)
      const attempts = database.prepare('SELECT * FROM attempt WHERE run = ? ORDER BY number')
      return rows.map(row => toRun(row, attempts.all(String(row.id)).map(toAttempt)))
    })
  }

  async listAttempts({ operation, source, repository, limit }: AttemptQuery): Promise<Attempt[]> {
    const select = `SELECT * FROM attempt WHERE operation = ? AND source = ? AND repository = ?
      ORDER BY started_at DESC, run DESC, number DESC LIMIT ?`
    return this.#use(database => database.prepare(select).all(operation, source, repository, limit)).map(toAttempt)
  }

  async acquireLease(lease: Lease, now: Date): Promise<Lease | undefined> {
    // One statement, so that of two that come at once one gets it.
    const { changes } = this.#run(
      `INSERT INTO lease (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
         SET holder = excluded.holder, until = excluded.until WHERE holder = excluded.holder OR until <= ?`,
      lease.name,
      lease.holder,
      lease.until.toISOString(),
      now.toISOString(),
    )
    return Number(changes) === 1 ? lease : undefined
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    this.#run('DELETE FROM lease WHERE name = ? AND holder = ?', name, holder)
  }

  async saveJob({ name, schedule, since, pausedUntil }: JobRecord): Promise<void> {
    this.#run(
      'INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?)',
      name,
      schedule,
      since.toISOString(),
      pausedUntil?.toISOString() ?? null,
    )
  }

  async listJobs(): Promise<JobRecord[]> {
    return this.#use(database => database.prepare('SELECT * FROM job ORDER BY name').all()).map(toJob)
  }

  async claimSlot(slot: SlotRecord): Promise<boolean> {
    const columns = slotColumns(slot)
    // One statement, so that of two that come at once one gets it.
    const { changes } = this.#run(
      `INSERT INTO slot VALUES (${columns.map(() => '?').join(', ')}) ON CONFLICT (job, at) DO UPDATE SET
         attempt = excluded.attempt, phase = excluded.phase, changed_at = excluded.changed_at, owner = NULL, run = NULL
         WHERE attempt < excluded.attempt AND phase = 'failed'`,
      ...columns,
    )
    return Number(changes) === 1
  }

  async updateSlot(slot: SlotRecord): Promise<void> {
    const columns = slotColumns(slot)
    this.#run(`INSERT OR REPLACE INTO slot VALUES (${columns.map(() => '?').join(', ')})`, ...columns)
  }

  async listSlots({ job, limit }: SlotQuery): Promise<SlotRecord[]> {
    const select = `SELECT * FROM slot WHERE ?1 IS NULL OR job = ?1 ORDER BY changed_at DESC, at DESC LIMIT ?2`
    return this.#use(database => database.prepare(select).all(job ?? null, limit)).map(toSlot)
  }

  async saveAlert(alert: AlertRecord): Promise<void> {
    const { key, openedAt, finding, toldAt, told, missingSince, silencedUntil, closedAt } = alert
    this.#run(
      'INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      key,
      openedAt.toISOString(),
      JSON.stringify(finding),
      toldAt?.toISOString() ?? null,
      told,
      missingSince?.toISOString() ?? null,
      silencedUntil?.toISOString() ?? null,
      closedAt?.toISOString() ?? null,
    )
  }

  async listAlerts({ closed }: { readonly closed: number }): Promise<AlertRecord[]> {
    return this.#use(database => [
      ...database.prepare('SELECT * FROM alert WHERE closed_at IS NULL ORDER BY opened_at, key').all(),
      ...database
        .prepare('SELECT * FROM alert WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT ?')
        .all(closed),
    ]).map(toAlert)
  }

  async saveNotice(notice: NoticeRecord): Promise<void> {
    const { id, notifier, content, createdAt, tries, nextAt, failure, settledAt } = notice
    this.#run(
      'INSERT OR REPLACE INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      id,
      notifier,
      content,
      createdAt.toISOString(),
      tries,
      nextAt.toISOString(),
      failure ?? null,
      settledAt?.toISOString() ?? null,
    )
  }

  async listPendingNotices(): Promise<NoticeRecord[]> {
    const select = 'SELECT * FROM notice WHERE settled_at IS NULL ORDER BY created_at, id'
    return this.#use(database => database.prepare(select).all()).map(toNotice)
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

  #run(statement: string, ...values: SQLInputValue[]) {
    return this.#use(database => database.prepare(statement).run(...values))
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
