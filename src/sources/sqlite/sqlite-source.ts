import { basename, resolve } from 'node:path'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { type BackupType, isPart } from '../../model/manifest.ts'
import type {
  Capture,
  CaptureRequest,
  Comparing,
  Merging,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceContext,
  SourcePlace,
  SourceTraits,
} from '../source.ts'
import type { SwappingTargets } from '../target.ts'
import { compareSqlite } from './comparing/sqlite-comparing.ts'
import { closeDatabaseFile, openDatabaseFile } from './database-file.ts'
import { adviceOf, findingsOf } from './findings.ts'
import { type Held, holdInstant, MEMORY_LIMIT_BYTES, tidyUp } from './instant.ts'
import { chooseCheck } from './integrity.ts'
import { integrityFindings } from './integrity-findings.ts'
import { openSqliteMerging } from './merging/sqlite-merging.ts'
import type { SqliteOptions } from './options.ts'
import { PageCapture } from './page-capture.ts'
import { restoreDatabase } from './restore.ts'
import { Session } from './session.ts'
import { SqlCapture } from './sql-capture.ts'
import { sqliteTargets } from './targets.ts'

const TYPES: readonly BackupType[] = ['full', 'incremental', 'differential', 'schema', 'data']

/** One SQLite database file. How and why its captures are consistent: README.md beside this file. */
export class SqliteSource implements Source {
  readonly kind = 'sqlite'
  readonly traits: SourceTraits = {
    consistency: 'transactional',
    types: TYPES,
    wayBack: 'snapshot',
    targetSchemes: [],
    parts: ['tables', 'paths'],
    changes: ['create', 'swap', 'in-place', 'rows'],
    rewrites: 'only-delta',
    masks: true,
    queries: 'sandboxed',
  }
  readonly name: string
  readonly targets: SwappingTargets
  readonly merging: Merging
  readonly comparing: Comparing
  readonly #path: string
  #prepared: Session | undefined

  constructor(name: string, options: SqliteOptions, place: SourcePlace) {
    this.name = name
    this.#path = resolve(place.baseDir, options.path)
    this.targets = sqliteTargets(basename(this.#path))
    this.merging = { open: request => openSqliteMerging(request, this.#path) }
    this.comparing = { compare: request => compareSqlite(request, this.#path) }
  }

  async probe(context: SourceContext): Promise<Finding[]> {
    try {
      return await this.#look(context)
    } catch (error) {
      if (!isAppError(error) || error.code === 'interrupted') throw error
      const hint = error.hint === undefined ? {} : { hint: error.hint }
      return [{ severity: 'error', code: error.code, subject: `source ${this.name}`, message: error.message, ...hint }]
    }
  }

  prepareCapture({ signal }: Pick<SourceContext, 'signal'>): void {
    this.#prepared ??= new Session(signal)
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    throwIfAborted(request.signal)
    if (!TYPES.includes(request.type)) {
      throw new AppError('unsupported', `a sqlite source has no backups of type ${request.type}`, {
        hint: `Use one of: ${TYPES.join(', ')}.`,
      })
    }
    const file = await openDatabaseFile(this.#path)
    const session = this.#prepared ?? new Session(request.signal)
    this.#prepared = undefined
    return isPart(request.type)
      ? await SqlCapture.start(request, request.type, file, session)
      : await PageCapture.start(request, file, session)
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreDatabase(request)
  }

  async close(): Promise<void> {
    await this.#prepared?.close()
  }

  async #look(context: SourceContext): Promise<Finding[]> {
    throwIfAborted(context.signal)
    const file = await openDatabaseFile(this.#path)
    const session = new Session(context.signal)
    try {
      const held = await holdInstant(file, session)
      const imperfect = await this.#judge(held, session)
      await tidyUp(held, session)
      const sqliteVersion = held.file.header?.sqliteVersion ?? 0
      return [...findingsOf(held), ...imperfect, ...adviceOf({ ...held, sqliteVersion })]
    } finally {
      await session.close()
      await closeDatabaseFile(file)
    }
  }

  /** In the transaction that is open. Where writers wait for its end, small databases only. */
  async #judge({ file, hold }: Held, session: Session): Promise<Finding[]> {
    const size = Number(file.stat.size)
    if (hold.kind === 'none' || (hold.kind === 'locked' && size > MEMORY_LIMIT_BYTES)) return []
    const check = chooseCheck(size)
    if (check === undefined) return []
    const failures = await session.call('judge', { check, path: undefined })
    return integrityFindings(failures, file.path, 'captured')
  }
}
