import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { ManifestCondition, ManifestDatabase } from '../../model/manifest.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content, ParentSnapshot } from '../source.ts'
import { chooseCut } from './cut.ts'
import { closeDatabaseFile, type DatabaseFile, metaOf } from './database-file.ts'
import { sourceError } from './faults.ts'
import { type FileState, isUnchanged, stateOf } from './file-state.ts'
import { findingsOf } from './findings.ts'
import { type DatabaseHeader, formatVersion, HEADER_BYTES, parseHeader } from './header.ts'
import { type Held, type Hold, holdInstant, type OpenedPages, openPages, tidyUp } from './instant.ts'
import { chooseCheck } from './integrity.ts'
import { integrityFindings } from './integrity-findings.ts'
import { MemoryPages, type Pages, PagesContent } from './pages.ts'
import type { Session } from './session.ts'
import type { Description } from './session-protocol.ts'

/** `foreign_key_check` reads all of the child tables; worth it up to this size of database. */
const VIOLATIONS_LIMIT_BYTES = 64 << 20

/** The database file itself, as of one instant: types `full`, `incremental` and `differential`. */
export class PageCapture implements Capture {
  readonly #request: CaptureRequest
  readonly #file: DatabaseFile
  readonly #session: Session
  readonly #hold: Hold
  readonly #capturedAt: Date
  readonly #state: FileState | undefined
  /** The parent, when the database is provably as it was then. */
  readonly #same: ParentSnapshot | undefined
  #opened: OpenedPages | undefined
  #description: Promise<Description> | undefined
  #condition: Promise<ManifestCondition | undefined> | undefined
  #blockBytes: number | undefined
  #header: DatabaseHeader | undefined
  #sessionEnd: Promise<void> | undefined
  #closed = false

  private constructor(
    request: CaptureRequest,
    held: Held & { session: Session; capturedAt: Date },
    same: ParentSnapshot | undefined,
  ) {
    this.#request = request
    this.#file = held.file
    this.#session = held.session
    this.#hold = held.hold
    this.#capturedAt = held.capturedAt
    this.#state = stateOf(held.file, held.hold)
    this.#same = same
  }

  /** Takes `file` and `session` over, and closes them also when it fails. */
  static async start(request: CaptureRequest, file: DatabaseFile, session: Session): Promise<PageCapture> {
    try {
      // Before the transaction begins: whatever was committed until then is in it.
      const capturedAt = request.clock.now()
      const held = await holdInstant(file, session)
      const same = await findSame(request, held)
      const capture = new PageCapture(request, { ...held, session, capturedAt }, same)
      // A shared lock must not wait for whoever reads the entries.
      if (held.hold.kind !== 'wal') await capture.#letWritersGo()
      return capture
    } catch (error) {
      await session.close()
      await closeDatabaseFile(file)
      throw error
    }
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    throwIfAborted(this.#request.signal)
    const open = (): Promise<Content> => this.#openContent()
    const settled = (): void => this.#endSessionOnceDescribed()
    yield { path: this.#file.name, meta: metaOf(this.#file.stat), open, unchanged: this.#same !== undefined, settled }
  }

  async finish(): Promise<CaptureSummary> {
    const findings: Finding[] = []
    const known = this.#description ? undefined : this.#same?.manifest
    const sqliteVersion = await this.#lastWriter()
    const database = known?.database ?? (await this.#describe(findings))
    findings.push(...integrityFindings(database.condition?.failures ?? [], this.#file.path, 'captured'))
    findings.push(...findingsOf({ file: this.#file, hold: this.#hold }))
    const engineVersion = known ? known.engineVersion : sqliteVersion && `SQLite ${formatVersion(sqliteVersion)}`
    return {
      capturedAt: this.#capturedAt,
      ...(engineVersion ? { engineVersion } : {}),
      database,
      findings,
      complete: true,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#endSession()
    await this.#opened?.close()
    await closeDatabaseFile(this.#file)
    if (this.#opened?.copy) await rm(this.#opened.copy, { force: true })
  }

  /**
   * A process less while what was read is brought to its end, which is when a backup's memory is largest. Nothing may be
   * read from the pages any more: without the transaction they can change.
   */
  #endSessionOnceDescribed(): void {
    if (!this.#description) return
    Promise.allSettled([this.#description, this.#condition])
      .then(() => this.#endSession())
      .catch(() => {})
  }

  #endSession(): Promise<void> {
    const held = { file: this.#file, hold: this.#hold }
    this.#sessionEnd ??= tidyUp(held, this.#session).then(() => this.#session.close())
    return this.#sessionEnd
  }

  /** Where nothing will be read there is no need for a copy: should it be read after all, it is made then. */
  async #letWritersGo(): Promise<void> {
    const locked = this.#hold.kind === 'locked'
    if (this.#same && locked) await this.#session.call('release', {})
    else await this.#openPages(locked ? async () => void (await this.#startDescribing()) : undefined)
  }

  async #openContent(): Promise<Content> {
    const { pages } = await this.#openPages()
    void this.#startDescribing()
    void this.#startJudging(pages)
    this.#header = await readHeader(pages)
    const pageSize = (this.#file.header ?? this.#header)?.pageSizeBytes ?? 0
    const before = this.#request.parent?.manifest.database?.properties['blockBytes']
    const cut = chooseCut(pages.sizeBytes, pageSize, typeof before === 'number' ? before : undefined)
    this.#blockBytes = cut.blockBytes
    return new PagesContent(pages, cut, () => throwIfAborted(this.#request.signal))
  }

  async #openPages(whileLocked?: () => Promise<void>): Promise<OpenedPages> {
    const held = { file: this.#file, hold: this.#hold }
    this.#opened ??= await openPages(held, this.#session, this.#request.scratchDir, whileLocked)
    return this.#opened
  }

  /** Counts rows in the same transaction, in the session's process, while the pages are read in this one. */
  #startDescribing(): Promise<Description> {
    const countViolations = this.#file.stat.size <= VIOLATIONS_LIMIT_BYTES
    this.#description ??= this.#session.call('describe', { countRows: true, countViolations })
    // Awaited in `finish`; a capture that is closed before must not end the process.
    this.#description.catch(() => {})
    return this.#description
  }

  /** After the counting, in the same transaction; or, where writers wait for us, in a copy of what was read. */
  #startJudging(pages: Pages): Promise<ManifestCondition | undefined> {
    this.#condition ??= this.#judge(pages)
    // Awaited in `finish`, as above.
    this.#condition.catch(() => {})
    return this.#condition
  }

  async #judge(pages: Pages): Promise<ManifestCondition | undefined> {
    const check = chooseCheck(pages.sizeBytes)
    if (check === undefined) return undefined
    if (!(pages instanceof MemoryPages)) {
      return { check, failures: await this.#session.call('judge', { check, path: undefined }) }
    }
    const path = join(this.#request.scratchDir, 'judged.db')
    try {
      await writeFile(path, pages.bytes, { mode: 0o600 })
      return { check, failures: await this.#session.call('judge', { check, path }) }
    } finally {
      await rm(path, { force: true })
    }
  }

  async #describe(findings: Finding[]): Promise<ManifestDatabase> {
    try {
      const description = await this.#startDescribing()
      const condition = await this.#condition
      for (const { name, message } of description.unreadable) {
        findings.push({
          severity: 'warning',
          code: 'table-unreadable',
          subject: `table ${name}`,
          message: `cannot count the rows of ${name}: ${message}`,
          hint: `Look at it with: sqlite3 ${this.#file.path} "PRAGMA integrity_check".`,
        })
      }
      const { tables, schemaFingerprint, schemaVersion, properties } = description
      return {
        tables,
        schemaFingerprint,
        ...(schemaVersion === undefined ? {} : { schemaVersion }),
        ...(condition === undefined ? {} : { condition }),
        properties: { ...properties, ...this.#held(), ...this.#state, blockBytes: this.#blockBytes ?? null },
      }
    } catch (error) {
      throw sourceError(error, this.#file.path)
    }
  }

  /** A copy tells of its own journal mode; where the database was opened itself, that is the one. */
  #held(): Record<string, string> {
    return this.#hold.kind === 'none' ? {} : { journalMode: this.#hold.pinned.journalMode }
  }

  /** SQLite's number of the library that wrote last. In a copy made by the backup it is our own, so not from there. */
  async #lastWriter(): Promise<number> {
    if (!this.#opened || this.#opened.copy) return this.#file.header?.sqliteVersion ?? 0
    const header = this.#header ?? (await readHeader(this.#opened.pages))
    return header?.sqliteVersion ?? 0
  }
}

async function readHeader(pages: Pages): Promise<DatabaseHeader | undefined> {
  const bytes = Buffer.alloc(Math.min(HEADER_BYTES, pages.sizeBytes))
  await pages.fill(bytes, 0)
  return parseHeader(bytes)
}

async function findSame(request: CaptureRequest, { file, hold }: Held): Promise<ParentSnapshot | undefined> {
  const { parent, type } = request
  const state = stateOf(file, hold)
  if (type === 'full' || !parent || !state || !isUnchanged(state, parent.manifest)) return undefined
  return (await parent.findNode(file.name)) ? parent : undefined
}
