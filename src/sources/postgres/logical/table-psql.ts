import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from '../../../base/child.ts'
import { requireSuccess, startTool } from '../../../clients/postgres/index.ts'
import { runOverArchive } from './archives.ts'
import type { DatabaseRestore } from './database-restore.ts'
import { fileName } from './plan.ts'
import { scriptError } from './script-error.ts'
import { SAID_LINE_BYTES } from './table-script.ts'
import type { TocEntry } from './toc.ts'

const PUMP_BYTES = 256 * 1024
const NO_LIMIT = 'SET lock_timeout = 0;'
/** What pg_restore begins with is shorter. */
const PREAMBLE_BYTES = 1024

/** psql ended before we had said all. */
class Stopped extends Error {}

/** psql in the one transaction in which tables come back: it runs our script and, between its parts, what pg_restore writes. */
export class TablePsql {
  readonly #restore: DatabaseRestore
  readonly #psql: Child
  readonly #more: readonly string[]

  private constructor(restore: DatabaseRestore, psql: Child, more: readonly string[]) {
    this.#restore = restore
    this.#psql = psql
    this.#more = more
  }

  /** What `work` does not commit, the server rolls back when psql is gone. `more`: arguments of pg_restore. */
  static async run(
    restore: DatabaseRestore,
    more: readonly string[],
    work: (script: TablePsql) => Promise<void>,
  ): Promise<void> {
    const { tools, settings, target, request } = restore
    const connection = { ...settings, database: target }
    const psql = await startTool(tools, {
      tool: 'psql',
      args: ['--no-psqlrc', '--quiet', '--no-password', '--set=ON_ERROR_STOP=1', '--output=/dev/null', '--file=-'],
      settings: connection,
      stdin: 'pipe',
      signal: request.signal,
    })
    try {
      await work(new TablePsql(restore, psql, more))
    } catch (error) {
      // What psql said comes first: pg_restore only lost its reader.
      if (!(error instanceof Stopped)) throw error
    } finally {
      psql.endInput()
      if (!psql.ended) await psql.wait().catch(() => psql.stop())
    }
    const exit = await psql.wait()
    if (exit.code !== 0) throw scriptError(psql.stderr, target, settings)
    requireSuccess(psql, exit, { settings: connection, tool: 'psql' }, `restore tables of ${target}`)
  }

  async say(text: string): Promise<void> {
    await this.#write(Buffer.from(text))
  }

  /** A line that a `tellScript` of ours makes it say. */
  async hear(lineBytes = SAID_LINE_BYTES): Promise<string> {
    const line = Buffer.alloc(lineBytes)
    if ((await this.#psql.read(line)) < line.length) throw new Stopped()
    return line.toString('latin1').trim().replace(/^\.+/, '')
  }

  /** Entries of an archive. `take` rewrites each line, or leaves it out. */
  async pump(path: string, entries: readonly TocEntry[], take?: (line: Buffer) => Buffer | undefined): Promise<void> {
    if (entries.length === 0) return
    const { request, target } = this.#restore
    const list = join(request.scratchDir, `entries-${fileName(target)}`)
    await writeFile(list, `${entries.map(entry => `${entry.id};`).join('\n')}\n`, { mode: 0o600 })
    await this.pumpArchive(path, [`--use-list=${list}`], take)
  }

  async pumpArchive(path: string, args: readonly string[], take?: (line: Buffer) => Buffer | undefined): Promise<void> {
    const { tools, request, archives, target } = this.#restore
    const run = { args: ['--file=-', ...args, ...this.#more], settings: undefined, signal: request.signal }
    await runOverArchive(tools, run, archives.read(path), `restore tables of ${target}`, child =>
      take === undefined ? this.#pass(child) : this.#passLines(child, take),
    )
  }

  async #pass(child: Child): Promise<void> {
    for (let first = true; ; first = false) {
      const buffer = Buffer.alloc(PUMP_BYTES)
      const count = await child.read(buffer)
      const part = buffer.subarray(0, count)
      await this.#write(first ? withLockTimeout(part, this.#restore.lockTimeoutSeconds) : part)
      if (count < buffer.length) return
    }
  }

  async #passLines(child: Child, take: (line: Buffer) => Buffer | undefined): Promise<void> {
    for await (const line of child.lines()) {
      const text = take(line)
      if (text !== undefined) await this.#write(text)
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    if (bytes.length > 0 && !(await this.#psql.write(bytes))) throw new Stopped()
  }
}

/** pg_restore waits for locks as long as it takes; we tell, after a while, who has them. */
function withLockTimeout(bytes: Buffer, seconds: number): Buffer {
  const at = bytes.subarray(0, PREAMBLE_BYTES).indexOf(NO_LIMIT)
  if (at < 0) return bytes
  const limit = Buffer.from(`SET lock_timeout = '${seconds}s';`)
  return Buffer.concat([bytes.subarray(0, at), limit, bytes.subarray(at + NO_LIMIT.length)])
}
