import { createHash } from 'node:crypto'
import { Semaphore } from '../../../../base/concurrency.ts'
import { AppError, isAppError, messageOf, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  databaseArgument,
  type PostgresTools,
  requireSuccess,
  runTool,
  startTool,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { isPart, type ManifestDatabase, type ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { NodeMeta } from '../../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../../../source.ts'
import type { PostgresOptions } from '../../options.ts'
import { ArchiveRows } from '../archive/archive-rows.ts'
import { type DatabasePlan, GLOBALS_FILE, NOTES_FILE, type PlannedArchive, planDatabase } from '../plan.ts'
import { encodingArguments, schemaFingerprint, stableSql } from '../sql-text.ts'
import { filterArguments } from '../tables/table-filter.ts'
import { anyTable, displayName } from '../tables/table-pattern.ts'
import type { DatabaseSnapshot } from './database-snapshot.ts'
import { DumpContent, TextContent } from './dump-content.ts'
import { ONLY_TABLES } from './part-snapshot.ts'
import { restoreNotes } from './restore-notes.ts'

export interface LogicalCaptureInit {
  readonly settings: ConnectionSettings
  readonly options: PostgresOptions
  readonly tools: PostgresTools
  readonly request: CaptureRequest
  /** Already taken; the capture closes them. */
  readonly snapshots: readonly DatabaseSnapshot[]
  readonly superuser: boolean
  /** What was found out before: databases that are left out, functions that a restore will stumble on. */
  readonly findings: readonly Finding[]
}

interface PlannedDatabase {
  readonly snapshot: DatabaseSnapshot
  readonly settings: ConnectionSettings
  readonly plan: DatabasePlan
  /** Of each table whose rows were dumped. */
  readonly rows: Map<string, number>
  /** What is looked for beside the dump, in the same snapshot. */
  readonly looked: Promise<void>
  /** A pg_dump of all tables locks each: one at a time. */
  readonly whole: Semaphore
  /** Why it could not be read, while the others could. */
  failure: unknown
  fingerprint: string
}

/** Databases as pg_dump writes them, each as of its snapshot. */
export class LogicalCapture implements Capture {
  readonly #init: LogicalCaptureInit
  readonly #databases: readonly PlannedDatabase[]
  readonly #slots: Semaphore
  readonly #open = new Set<Content>()
  #closed = false

  constructor(init: LogicalCaptureInit) {
    this.#init = init
    this.#slots = new Semaphore(init.options.jobs)
    this.#databases = init.snapshots.map(snapshot => {
      const looked = look(snapshot, init.request)
      // Looked at in `finish`; a capture that fails before never gets there.
      looked.catch(() => {})
      return {
        snapshot,
        settings: { ...init.settings, database: snapshot.facts.name },
        plan: planDatabase(snapshot.facts.name, snapshot.tables, init.request.type, init.options),
        rows: new Map<string, number>(),
        looked,
        whole: new Semaphore(1),
        failure: undefined,
        fingerprint: '',
      }
    })
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    yield { path: '', meta: this.#meta('dir') }
    yield this.#text(NOTES_FILE, () => Promise.resolve(restoreNotes(this.#databases, this.#init)))
    if (this.#init.options.globals) yield this.#text(GLOBALS_FILE, () => this.#readGlobals())
    for (const database of this.#databases) {
      throwIfAborted(this.#init.request.signal)
      const { plan } = database
      yield this.#text(plan.schemaPath, () => this.#guard(database, () => this.#readSchema(database)))
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
    const databases = await Promise.all(whole.map(each => describeDatabase(each, this.#init.options)))
    const capturedAt = this.#init.snapshots[0]?.capturedAt ?? this.#init.request.clock.now()
    const version = this.#init.snapshots[0]?.session.version ?? ''
    return {
      capturedAt,
      engineVersion: `PostgreSQL ${version}`,
      database: this.#describe(databases),
      findings: this.#findings(),
      ...this.#completeness(),
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#open].map(content => content.close()))
    await Promise.all(this.#init.snapshots.map(snapshot => snapshot.close()))
    await Promise.allSettled(this.#databases.map(database => database.looked))
  }

  #describe(databases: readonly ManifestServerDatabase[]): ManifestDatabase {
    const [only] = databases
    const fingerprints = databases.map(({ name, schemaFingerprint: print }) => `${name} ${print}`).join('\n')
    const single = databases.length === 1 && only !== undefined
    return {
      tables: databases.flatMap(each =>
        single ? each.tables : each.tables.map(table => ({ ...table, name: `${each.name}.${table.name}` })),
      ),
      schemaFingerprint: single ? only.schemaFingerprint : createHash('sha256').update(fingerprints).digest('hex'),
      databases,
      properties: {
        mode: 'logical',
        pgDumpVersion: this.#init.tools.version,
        serverVersionNumber: this.#init.snapshots[0]?.session.versionNumber ?? 0,
        globals: this.#init.options.globals ? (this.#init.superuser ? 'with-passwords' : 'without-passwords') : 'none',
        filtered: filterArguments(this.#init.options).length > 0 || this.#init.options.excludeTableData.length > 0,
        ...(this.#init.request.tables === undefined ? {} : { [ONLY_TABLES]: true }),
      },
    }
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
    const open = (): Promise<Content> => this.#guard(database, () => this.#openArchive(database, archive))
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

  async #openArchive(database: PlannedDatabase, archive: PlannedArchive): Promise<Content> {
    const { tools, options, request } = this.#init
    const { settings, snapshot, whole } = database
    const isWhole = archive === database.plan.main
    if (isWhole) await whole.acquire()
    await this.#slots.acquire()
    const release = (): void => {
      this.#slots.release()
      if (isWhole) whole.release()
    }
    try {
      const child = await startTool(tools, {
        tool: 'pg_dump',
        args: [
          '--format=custom',
          '--compress=0',
          '--no-password',
          `--snapshot=${snapshot.id}`,
          ...encodingArguments(snapshot.facts.encoding),
          `--lock-wait-timeout=${options.lockTimeoutSeconds * 1000}`,
          ...archive.args,
        ],
        settings,
        signal: request.signal,
      })
      // pg_dump itself may wait for hours for a network that is gone.
      const forget = snapshot.onLost(() => void child.stop())
      const content: DumpContent = new DumpContent(
        child,
        new ArchiveRows((table, rows) => database.rows.set(table, rows)),
        () =>
          this.#guard(database, async () => {
            const exit = await child.wait()
            if (exit.code !== 0) snapshot.throwIfLost()
            requireSuccess(child, exit, { settings, tool: 'pg_dump' }, `dump ${settings.database}`)
          }),
        () => {
          forget()
          if (this.#open.delete(content)) release()
        },
      )
      this.#open.add(content)
      return content
    } catch (error) {
      release()
      throw error
    }
  }

  #text(path: string, read: () => Promise<string>): CaptureEntry {
    return { path, meta: this.#meta('file'), open: async () => new TextContent(await read()) }
  }

  async #readSchema(database: PlannedDatabase): Promise<string> {
    const { tools, options, request } = this.#init
    const { settings, snapshot } = database
    await database.whole.acquire()
    const text = await readSchemaText(tools, settings, request.signal, [
      `--snapshot=${snapshot.id}`,
      ...encodingArguments(snapshot.facts.encoding),
      ...filterArguments(options),
    ]).finally(() => database.whole.release())
    database.fingerprint = schemaFingerprint(text)
    return stableSql(text)
  }

  async #readGlobals(): Promise<string> {
    const { tools, settings, request, superuser } = this.#init
    const args = ['--globals-only', '--no-password', '-l', databaseArgument(settings.database)]
    const tool = { tool: 'pg_dumpall', args: superuser ? args : [...args, '--no-role-passwords'], settings }
    return stableSql(await runTool(tools, { ...tool, signal: request.signal }, 'read roles and grants'))
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

/** The schema in SQL, in the same words whatever the role or the database have set. */
export async function readSchemaText(
  tools: PostgresTools,
  settings: ConnectionSettings,
  signal: AbortSignal,
  args: readonly string[],
): Promise<string> {
  const all = ['--schema-only', '--no-password', ...args]
  const doing = `read the schema of ${settings.database}`
  const plain = await withPlainNames(settings, signal)
  return await runTool(tools, { tool: 'pg_dump', args: all, settings: plain, signal }, doing)
}

/** Only where it is needed: a connection pooler may refuse `options`. */
async function withPlainNames(settings: ConnectionSettings, signal: AbortSignal): Promise<ConnectionSettings> {
  const [row] = await withSession(settings, { signal }, session =>
    session.query<{ on: boolean }>(
      `SELECT reset_val = 'on' AS on FROM pg_settings WHERE name = 'quote_all_identifiers'`,
    ),
  )
  if (row?.on !== true) return settings
  return { ...settings, options: [settings.options, '-c quote_all_identifiers=off'].filter(Boolean).join(' ') }
}

/** All ask in the session of the snapshot, one after the other. */
async function look(snapshot: DatabaseSnapshot, { type, clock }: CaptureRequest): Promise<void> {
  await snapshot.lookForFunctions()
  // Rows without their keys and checks break none.
  if (!isPart(type)) await snapshot.lookForBrokenRows(clock)
}

async function describeDatabase(
  database: PlannedDatabase,
  { excludeTableData }: PostgresOptions,
): Promise<ManifestServerDatabase> {
  const { snapshot, plan, fingerprint, rows } = database
  const rowless = new Set(snapshot.tables.filter(anyTable(excludeTableData)).map(displayName))
  await database.looked
  const tables = await snapshot.describeTables(rows)
  return {
    ...snapshot.facts,
    capturedAt: snapshot.capturedAt.toISOString(),
    schemaFingerprint: fingerprint,
    tables: tables.map(({ estimated, ...table }) => {
      if (rowless.has(table.name)) return { ...table, rows: 0, withoutRows: true }
      return estimated === undefined ? table : { ...table, estimated }
    }),
    archives: [plan.main.path, ...plan.parts.map(part => part.path)],
  }
}
