import { createHash } from 'node:crypto'
import { Semaphore } from '../../../base/concurrency.ts'
import { throwIfAborted } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  type PostgresTools,
  requireSuccess,
  runTool,
  startTool,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { ManifestDatabase, ManifestServerDatabase, ManifestTable } from '../../../model/manifest.ts'
import type { NodeMeta } from '../../../model/node.ts'
import type { Capture, CaptureEntry, CaptureRequest, CaptureSummary, Content } from '../../source.ts'
import type { PostgresOptions } from '../options.ts'
import type { DatabaseSnapshot } from './database-snapshot.ts'
import { DumpContent, TextContent } from './dump-content.ts'
import { type DatabasePlan, GLOBALS_FILE, NOTES_FILE, type PlannedArchive, planDatabase } from './plan.ts'
import { restoreNotes } from './restore-notes.ts'
import { encodingArguments, schemaFingerprint, stableSql } from './sql-text.ts'
import { filterArguments } from './table-filter.ts'

export interface LogicalCaptureInit {
  readonly settings: ConnectionSettings
  readonly options: PostgresOptions
  readonly tools: PostgresTools
  readonly request: CaptureRequest
  /** Already taken; the capture closes them. */
  readonly snapshots: readonly DatabaseSnapshot[]
  readonly superuser: boolean
}

interface PlannedDatabase {
  readonly snapshot: DatabaseSnapshot
  readonly settings: ConnectionSettings
  readonly plan: DatabasePlan
  /** Counted beside the dump, in the same snapshot. */
  readonly counts: Promise<ManifestTable[]>
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
      const counts = snapshot.countRows()
      // Looked at in `finish`; a capture that fails before never gets there.
      counts.catch(() => {})
      return {
        snapshot,
        settings: { ...init.settings, database: snapshot.facts.name },
        plan: planDatabase(snapshot.facts.name, snapshot.tables, init.request.type, init.options),
        counts,
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
      yield this.#text(plan.schemaPath, () => this.#readSchema(database))
      if (plan.parts.length > 0) yield { path: plan.partsFolder, meta: this.#meta('dir') }
      for (const part of plan.parts) yield this.#archive(database, part)
      yield this.#archive(database, plan.main)
    }
  }

  async finish(): Promise<CaptureSummary> {
    for (const { snapshot } of this.#databases) await snapshot.requireAlive()
    const databases = await Promise.all(this.#databases.map(describeDatabase))
    const capturedAt = this.#init.snapshots[0]?.capturedAt ?? this.#init.request.clock.now()
    const version = this.#init.snapshots[0]?.session.version ?? ''
    return {
      capturedAt,
      engineVersion: `PostgreSQL ${version}`,
      database: this.#describe(databases),
      findings: this.#findings(),
      complete: true,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([...this.#open].map(content => content.close()))
    await Promise.all(this.#init.snapshots.map(snapshot => snapshot.close()))
    await Promise.allSettled(this.#databases.map(database => database.counts))
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
      },
    }
  }

  #findings(): Finding[] {
    if (!this.#init.options.globals || this.#init.superuser) return []
    return [
      {
        severity: 'info',
        code: 'role-passwords-missing',
        subject: GLOBALS_FILE,
        message: 'roles are captured without their passwords: only a superuser can read them',
      },
    ]
  }

  #archive(database: PlannedDatabase, archive: PlannedArchive): CaptureEntry {
    return { path: archive.path, meta: this.#meta('file'), open: () => this.#openArchive(database, archive) }
  }

  async #openArchive(database: PlannedDatabase, archive: PlannedArchive): Promise<Content> {
    const { tools, options, request } = this.#init
    const { settings, snapshot } = database
    await this.#slots.acquire()
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
        async () => {
          const exit = await child.wait()
          if (exit.code !== 0) snapshot.throwIfLost()
          requireSuccess(child, exit, { settings, tool: 'pg_dump' }, `dump ${settings.database}`)
        },
        () => {
          forget()
          if (this.#open.delete(content)) this.#slots.release()
        },
      )
      this.#open.add(content)
      return content
    } catch (error) {
      this.#slots.release()
      throw error
    }
  }

  #text(path: string, read: () => Promise<string>): CaptureEntry {
    return { path, meta: this.#meta('file'), open: async () => new TextContent(await read()) }
  }

  async #readSchema(database: PlannedDatabase): Promise<string> {
    const { tools, options, request } = this.#init
    const { settings, snapshot } = database
    const text = await readSchemaText(tools, settings, request.signal, [
      `--snapshot=${snapshot.id}`,
      ...encodingArguments(snapshot.facts.encoding),
      ...filterArguments(options),
    ])
    database.fingerprint = schemaFingerprint(text)
    return stableSql(text)
  }

  async #readGlobals(): Promise<string> {
    const { tools, settings, request, superuser } = this.#init
    const args = ['--globals-only', '--no-password', '-l', settings.database]
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

/** The schema in SQL. */
export async function readSchemaText(
  tools: PostgresTools,
  settings: ConnectionSettings,
  signal: AbortSignal,
  args: readonly string[],
): Promise<string> {
  const all = ['--schema-only', '--no-password', ...args]
  const doing = `read the schema of ${settings.database}`
  return await runTool(tools, { tool: 'pg_dump', args: all, settings, signal }, doing)
}

async function describeDatabase(database: PlannedDatabase): Promise<ManifestServerDatabase> {
  const { snapshot, plan, fingerprint } = database
  return {
    ...snapshot.facts,
    capturedAt: snapshot.capturedAt.toISOString(),
    schemaFingerprint: fingerprint,
    tables: await database.counts,
    archives: [plan.main.path, ...plan.parts.map(part => part.path)],
  }
}
