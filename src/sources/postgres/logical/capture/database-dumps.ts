import { Semaphore } from '../../../../base/concurrency.ts'
import { databaseArgument, requireSuccess, runTool, startTool } from '../../../../clients/postgres/index.ts'
import type { Content } from '../../../source.ts'
import { ArchiveRows } from '../archive/archive-rows.ts'
import type { PlannedArchive } from '../plan.ts'
import { encodingArguments, schemaFingerprint, stableSql } from '../sql-text.ts'
import { filterArguments } from '../tables/table-filter.ts'
import { DumpContent } from './dump-content.ts'
import type { LogicalCaptureInit, PlannedDatabase } from './planned-database.ts'
import { readSchemaText } from './schema-text.ts'

/** Runs pg_dump and pg_dumpall, as many at a time as the options allow. */
export class DatabaseDumps {
  readonly #init: LogicalCaptureInit
  readonly #slots: Semaphore
  readonly #open = new Set<Content>()

  constructor(init: LogicalCaptureInit) {
    this.#init = init
    this.#slots = new Semaphore(init.options.jobs)
  }

  /** `guarded` is told of what went wrong at the end of pg_dump. */
  async openArchive(
    database: PlannedDatabase,
    archive: PlannedArchive,
    guarded: (work: () => Promise<void>) => Promise<void>,
  ): Promise<Content> {
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
          guarded(async () => {
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

  async readSchema(database: PlannedDatabase): Promise<string> {
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

  async readGlobals(): Promise<string> {
    const { tools, settings, request, superuser } = this.#init
    const args = ['--globals-only', '--no-password', '-l', databaseArgument(settings.database)]
    const tool = { tool: 'pg_dumpall', args: superuser ? args : [...args, '--no-role-passwords'], settings }
    return stableSql(await runTool(tools, { ...tool, signal: request.signal }, 'read roles and grants'))
  }

  /** Ends what is still being read. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map(content => content.close()))
  }
}
