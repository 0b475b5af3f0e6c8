import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeName } from '../../../../base/bytes.ts'
import type { Child } from '../../../../base/child.ts'
import { requireSuccess, startTool } from '../../../../clients/postgres/index.ts'
import { runOverArchive } from '../archive/archives.ts'
import type { TocEntry } from '../archive/toc.ts'
import { NEEDS_SEARCH_PATH } from '../capture/path-functions.ts'
import { fileName } from '../plan.ts'
import type { DatabaseRestore } from '../restore/database-restore.ts'
import { byOwners, grantsWithout, type LackingRoles } from '../restore/lacking-roles.ts'
import { underPath } from '../restore/mending-rows.ts'
import { DEFAULT_SEARCH_PATH } from '../search-path.ts'
import { scriptError } from './script-error.ts'
import { SAID_LINE_BYTES } from './table-script.ts'

const PUMP_BYTES = 256 * 1024
const NO_LIMIT = 'SET lock_timeout = 0;'
/** What pg_restore begins with is shorter. */
const PREAMBLE_BYTES = 1024

type TakeLine = (line: Buffer) => Buffer | undefined

/** psql ended before we had said all. */
class Stopped extends Error {}

/** psql in the one transaction in which tables come back: it runs our script and, between its parts, what pg_restore writes. */
export class TablePsql {
  readonly #restore: DatabaseRestore
  readonly #psql: Child
  readonly #lacking: LackingRoles

  private constructor(restore: DatabaseRestore, psql: Child, lacking: LackingRoles) {
    this.#restore = restore
    this.#psql = psql
    this.#lacking = lacking
  }

  /** What `work` does not commit, the server rolls back when psql is gone. */
  static async run(
    restore: DatabaseRestore,
    lacking: LackingRoles,
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
      await work(new TablePsql(restore, psql, lacking))
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

  /** Entries of an archive, without what is for roles that are lacking. `take` rewrites each line, or leaves it out. */
  async pump(path: string, entries: readonly TocEntry[], take?: TakeLine): Promise<void> {
    // Of large objects one entry may be about many.
    const rights = new Map(take === undefined ? entries.flatMap(entry => this.#rightsOf(entry)) : [])
    const others = entries.filter(entry => !rights.has(entry.id))
    for (const run of byOwners(others, this.#lacking)) {
      await this.#pumpEntries(path, run.entries, run.given ? [] : ['--no-owner'], take)
    }
    for (const statement of [...rights.values()].flat()) await this.#write(encodeName(`${statement}\n`))
  }

  /** Of an entry of which only a part can be granted. */
  #rightsOf(entry: TocEntry): Array<[number, string[]]> {
    const kept = entry.kind === 'ACL' ? grantsWithout(entry, this.#lacking) : undefined
    return kept === undefined ? [] : [[entry.id, kept]]
  }

  async #pumpEntries(
    path: string,
    entries: readonly TocEntry[],
    more: readonly string[],
    take: TakeLine | undefined,
  ): Promise<void> {
    const { request, target } = this.#restore
    const list = join(request.scratchDir, `entries-${fileName(target)}`)
    await writeFile(list, `${entries.map(entry => `${entry.id};`).join('\n')}\n`, { mode: 0o600 })
    await this.pumpArchive(path, [`--use-list=${list}`, ...more], take)
  }

  async pumpArchive(path: string, args: readonly string[], take?: TakeLine): Promise<void> {
    const { tools, request, archives, target } = this.#restore
    const run = { args: ['--file=-', ...args], settings: undefined, signal: request.signal }
    await runOverArchive(tools, run, archives.read(path), `restore tables of ${target}`, child =>
      take === undefined ? this.#pass(child) : this.#passLines(child, take),
    )
  }

  async #pass(child: Child): Promise<void> {
    for (let first = true; ; first = false) {
      const buffer = Buffer.alloc(PUMP_BYTES)
      const count = await child.read(buffer)
      const part = buffer.subarray(0, count)
      await this.#write(first ? this.#begin(part) : part)
      if (count < buffer.length) return
    }
  }

  /** What pg_restore begins with, as we want it. */
  #begin(bytes: Buffer): Buffer {
    const { lockTimeoutSeconds, database, request } = this.#restore
    const limited = withLockTimeout(bytes, lockTimeoutSeconds)
    // Not without need: under any other path than an empty one, names may be found that were not meant.
    const needs = request.snapshot.manifest?.findings.some(({ code }) => code === NEEDS_SEARCH_PATH) === true
    return needs ? underPath(limited, database.searchPath ?? DEFAULT_SEARCH_PATH) : limited
  }

  async #passLines(child: Child, take: TakeLine): Promise<void> {
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
