import { rm } from 'node:fs/promises'
import { throwIfAborted } from '../../base/errors.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content, Cut } from '../source.ts'
import { closeDatabaseFile, type DatabaseFile, metaOf } from './database-file.ts'
import { sourceError } from './faults.ts'
import { findingsOf } from './findings.ts'
import { formatVersion } from './header.ts'
import { copyAside, type Held, type Hold, holdInstant, tidyUp } from './instant.ts'
import type { Session } from './session.ts'

export type SqlPart = 'schema' | 'data'

/** The database as SQL text, as of one instant: types `schema` and `data`. One file, `schema.sql` or `data.sql`. */
export class SqlCapture implements Capture {
  readonly #request: CaptureRequest
  readonly #part: SqlPart
  readonly #file: DatabaseFile
  readonly #session: Session
  readonly #hold: Hold
  readonly #capturedAt: Date
  readonly #copy: string | undefined
  #closed = false

  private constructor(
    request: CaptureRequest,
    part: SqlPart,
    held: Held & { session: Session; capturedAt: Date; copy: string | undefined },
  ) {
    this.#request = request
    this.#part = part
    this.#file = held.file
    this.#session = held.session
    this.#hold = held.hold
    this.#capturedAt = held.capturedAt
    this.#copy = held.copy
  }

  /** Takes `file` and `session` over, and closes them also when it fails. */
  static async start(
    request: CaptureRequest,
    part: SqlPart,
    file: DatabaseFile,
    session: Session,
  ): Promise<SqlCapture> {
    try {
      const capturedAt = request.clock.now()
      const held = await holdInstant(file, session)
      // Only a WAL lets us read for long without keeping anyone from writing.
      const copy = held.hold.kind === 'wal' ? undefined : await copyAside(held, session, request.scratchDir)
      return new SqlCapture(request, part, { ...held, session, capturedAt, copy })
    } catch (error) {
      await session.close()
      await closeDatabaseFile(file)
      throw sourceError(error, file.path)
    }
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    throwIfAborted(this.#request.signal)
    const { mode, mtimeNs, uid, gid } = metaOf(this.#file.stat)
    const open = (): Promise<Content> => Promise.resolve(new SqlContent(this.#session, this.#part, this.#file.path))
    yield { path: `${this.#part}.sql`, meta: { type: 'file', mode, mtimeNs, uid, gid }, open }
  }

  async finish(): Promise<CaptureSummary> {
    const sqliteVersion = this.#file.header?.sqliteVersion ?? 0
    try {
      const asked = { countRows: this.#part === 'data', countViolations: false }
      const { tables, schemaFingerprint, schemaVersion, properties } = await this.#session.call('describe', asked)
      return {
        capturedAt: this.#capturedAt,
        ...(sqliteVersion > 0 ? { engineVersion: `SQLite ${formatVersion(sqliteVersion)}` } : {}),
        database: { tables, schemaFingerprint, ...(schemaVersion === undefined ? {} : { schemaVersion }), properties },
        findings: findingsOf({ file: this.#file, hold: this.#hold }),
        complete: true,
      }
    } catch (error) {
      throw sourceError(error, this.#file.path)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await tidyUp({ file: this.#file, hold: this.#hold }, this.#session)
    await this.#session.close()
    await closeDatabaseFile(this.#file)
    if (this.#copy) await rm(this.#copy, { force: true })
  }
}

/** The SQL text, made piece by piece in the session, the next one while the last one is read. */
class SqlContent implements Content {
  readonly sizeBytes = undefined
  readonly cut: Cut = { kind: 'content' }
  readonly #session: Session
  readonly #part: SqlPart
  readonly #path: string
  #piece: Uint8Array = new Uint8Array(0)
  #next: Promise<Uint8Array>
  #ended = false

  constructor(session: Session, part: SqlPart, path: string) {
    this.#session = session
    this.#part = part
    this.#path = path
    this.#next = this.#ask()
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < into.length) {
      if (this.#piece.length === 0 && !(await this.#advance())) break
      const count = Math.min(this.#piece.length, into.length - filled)
      into.set(this.#piece.subarray(0, count), filled)
      this.#piece = this.#piece.subarray(count)
      filled += count
    }
    return filled
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #ask(): Promise<Uint8Array> {
    const next = this.#session.call('dump', { part: this.#part })
    // Awaited when the piece is wanted; a content that is closed before must not end the process.
    next.catch(() => {})
    return next
  }

  async #advance(): Promise<boolean> {
    if (this.#ended) return false
    try {
      this.#piece = await this.#next
    } catch (error) {
      throw sourceError(error, this.#path)
    }
    this.#ended = this.#piece.length === 0
    if (!this.#ended) this.#next = this.#ask()
    return !this.#ended
  }
}
