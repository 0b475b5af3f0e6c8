import { AppError, isAppError, messageOf, throwIfAborted } from '../../../../base/errors.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { NodeMeta } from '../../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureSummary, Content } from '../../../source.ts'
import { GLOBALS_FILE, NOTES_FILE, type PlannedArchive } from '../plan.ts'
import { DatabaseDumps } from './database-dumps.ts'
import { describeCapture } from './describe-capture.ts'
import { TextContent } from './dump-content.ts'
import { type LogicalCaptureInit, type PlannedDatabase, planDatabases } from './planned-database.ts'
import { restoreNotes } from './restore-notes.ts'

/** Databases as pg_dump writes them, each as of its snapshot. */
export class LogicalCapture implements Capture {
  readonly #init: LogicalCaptureInit
  readonly #databases: readonly PlannedDatabase[]
  readonly #dumps: DatabaseDumps
  #closed = false

  constructor(init: LogicalCaptureInit) {
    this.#init = init
    this.#dumps = new DatabaseDumps(init)
    this.#databases = planDatabases(init)
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    yield { path: '', meta: this.#meta('dir') }
    yield this.#text(NOTES_FILE, () => Promise.resolve(restoreNotes(this.#databases, this.#init)))
    if (this.#init.options.globals) yield this.#text(GLOBALS_FILE, () => this.#dumps.readGlobals())
    for (const database of this.#databases) {
      throwIfAborted(this.#init.request.signal)
      const { plan } = database
      yield this.#text(plan.schemaPath, () => this.#guard(database, () => this.#dumps.readSchema(database)))
      if (plan.parts.length > 0) yield { path: plan.partsFolder, meta: this.#meta('dir') }
      for (const part of plan.parts) yield this.#archive(database, part)
      yield this.#archive(database, plan.main)
    }
  }

  async finish(): Promise<CaptureSummary> {
    for (const database of this.#databases)
      await this.#guard(database, () => database.snapshot.requireAlive()).catch(passLost)
    const whole = this.#databases.filter(database => database.failure === undefined)
    // Where none is left it was the server, not one of them.
    if (whole.length === 0) throw this.#databases[0]?.failure
    const database = await describeCapture(this.#init, whole)
    const capturedAt = this.#init.snapshots[0]?.capturedAt ?? this.#init.request.clock.now()
    const version = this.#init.snapshots[0]?.session.version ?? ''
    return {
      capturedAt,
      engineVersion: `PostgreSQL ${version}`,
      database,
      findings: this.#findings(),
      ...this.#completeness(),
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#dumps.close()
    await Promise.all(this.#init.snapshots.map(snapshot => snapshot.close()))
    await Promise.allSettled(this.#databases.map(database => database.looked))
  }

  /** Each database that was chosen and is not here is told as an error. */
  #completeness(): Pick<CaptureSummary, 'complete' | 'incomplete'> {
    const entries = this.#findings()
      .filter(finding => finding.severity === 'error')
      .map(({ subject, message }) => ({ path: subject.replace(/^database /, ''), reason: message, absent: true }))
    if (entries.length === 0) return { complete: true }
    return { complete: false, incomplete: { count: entries.length, entries } }
  }

  #findings(): Finding[] {
    const { findings, options, superuser } = this.#init
    const lost = this.#databases.filter(database => database.failure !== undefined)
    const whole = this.#databases.filter(database => database.failure === undefined)
    const told = [
      ...findings,
      ...lost.map(({ settings, failure }) => databaseLost(settings.database, failure)),
      ...whole.flatMap(({ snapshot }) => snapshot.findings),
    ]
    if (!options.globals || superuser) return told
    return [
      ...told,
      {
        severity: 'info',
        code: 'role-passwords-missing',
        subject: GLOBALS_FILE,
        message: 'roles are captured without their passwords: only a superuser can read them',
      },
    ]
  }

  #archive(database: PlannedDatabase, archive: PlannedArchive): CaptureEntry {
    const guarded = <T>(work: () => Promise<T>): Promise<T> => this.#guard(database, work)
    const open = (): Promise<Content> => guarded(() => this.#dumps.openArchive(database, archive, guarded))
    return { path: archive.path, meta: this.#meta('file'), open }
  }

  /** Of several databases one that can't be read is left out; of one alone there is nothing without it. */
  async #guard<T>(database: PlannedDatabase, work: () => Promise<T>): Promise<T> {
    try {
      if (database.failure !== undefined) throw database.failure
      return await work()
    } catch (error) {
      if (this.#databases.length === 1 || !isAppError(error) || error.code === 'interrupted') throw error
      database.failure ??= error
      throw new AppError('entry-lost', `database ${database.settings.database} could not be read`, { cause: error })
    }
  }

  #text(path: string, read: () => Promise<string>): CaptureEntry {
    return { path, meta: this.#meta('file'), open: async () => new TextContent(await read()) }
  }

  #meta(type: 'file' | 'dir'): NodeMeta {
    const instant = this.#init.snapshots[0]?.capturedAt ?? this.#init.request.clock.now()
    return {
      type,
      mode: type === 'dir' ? 0o700 : 0o600,
      mtimeNs: BigInt(instant.getTime()) * 1_000_000n,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
    }
  }
}

export function databaseLost(database: string, error: unknown): Finding {
  const hint = isAppError(error) ? error.hint : undefined
  return {
    severity: 'error',
    code: 'database-lost',
    subject: `database ${database}`,
    message: `it was left out: ${messageOf(error)}`,
    ...(hint === undefined ? {} : { hint }),
  }
}

function passLost(error: unknown): void {
  if (!isAppError(error, 'entry-lost')) throw error
}
