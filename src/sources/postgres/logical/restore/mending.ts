import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../../base/errors.ts'
import { holdsBytes, openSession, type Session, serverWords } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { runOverArchive } from '../archive/archives.ts'
import { readToc, type TocEntry } from '../archive/toc.ts'
import { fileName, GLOBALS_FILE } from '../plan.ts'
import { rolesFinding } from '../roles.ts'
import { DEFAULT_SEARCH_PATH, tryUnder } from '../search-path.ts'
import type { LoadRun } from './database-restore.ts'
import { type Attempt, attemptsFor } from './mending-attempts.ts'
import { checkFinding } from './mending-checks.ts'
import { MendingRoles } from './mending-roles.ts'
import { loadRows } from './mending-rows.ts'
import type { EntryFailure } from './restore-log.ts'

/** Findings of these codes say that the schema is not as it was captured. */
export const ALTERED: ReadonlySet<string> = new Set(['object-left-out', 'constraint-not-valid', 'policy-without-role'])
/** That anything is not. */
export const LEFT_OUT: ReadonlySet<string> = new Set([
  ...ALTERED,
  'role-missing',
  'large-objects-not-restored',
  'table-shape-kept',
])

/** Of what was left out nobody misses them. */
const ADDITIONS: ReadonlySet<string> = new Set(['COMMENT', 'ACL', 'SECURITY LABEL'])

/** Who may do what. */
export const GRANTS: ReadonlySet<string> = new Set(['ACL', 'DEFAULT ACL'])

/** Without these, rows are lost. */
const HOLDS_ROWS: ReadonlySet<string> = new Set([
  'SCHEMA',
  'TABLE',
  'TABLE ATTACH',
  'SEQUENCE',
  'SEQUENCE SET',
  'BLOB',
  'BLOBS',
  'BLOB METADATA',
  'LARGE OBJECT',
])

type Toc = ReadonlyMap<number, TocEntry>

/**
 * Brings back, one by one, what pg_restore could not. Each entry is tried under the search path that the application has;
 * a foreign key or CHECK that rows of the database broke when it was captured comes back without being held to them. What
 * can't be made at all is left out and named.
 */
export class Mending {
  readonly #findings: Finding[] = []
  /** Of what could not be given to its owner, or granted. */
  readonly #roles: MendingRoles
  /** Says whose fault it is where it is not the snapshot's. */
  blame: ((entry: TocEntry, message: string) => AppError | undefined) | undefined
  readonly #run: LoadRun
  /** Entries of the archive that could not be made. */
  readonly #leftOut = new Set<number>()
  readonly #tocs = new Map<string, Toc>()
  #session: Session | undefined

  constructor(run: LoadRun) {
    this.#run = run
    this.#roles = new MendingRoles(() => this.#open())
  }

  get findings(): Finding[] {
    const { target, archives } = this.#run
    const lacking = this.#roles.lacking
    if (lacking.length === 0) return this.#findings
    return [rolesFinding(`database ${target}`, lacking, archives.has(GLOBALS_FILE)), ...this.#findings]
  }

  /** The failures of one archive, in the order of its table of contents. Throws when rows can't be brought back. */
  async mend(path: string, failures: readonly EntryFailure[]): Promise<void> {
    if (failures.length === 0) return
    const toc = await this.#tocOf(path)
    const order = new Map([...toc.keys()].map((id, at) => [id, at]))
    const sorted = failures.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
    for (const failure of sorted) {
      const entry = toc.get(failure.id)
      if (entry !== undefined && failure.ownerOnly) {
        this.#roles.add(entry.owner)
        continue
      }
      if (entry === undefined || HOLDS_ROWS.has(entry.kind)) throw this.#lost(entry, failure, sorted[0] ?? failure, toc)
      if (ADDITIONS.has(entry.kind) && entry.dependsOn.some(id => this.#leftOut.has(id))) continue
      if (entry.kind === 'TABLE DATA') await this.#mendRows(path, entry, failure)
      else if (GRANTS.has(entry.kind)) await this.#mendGrants(path, entry)
      else await this.#mendObject(path, entry, failure)
    }
  }

  async close(): Promise<void> {
    await this.#session?.close()
  }

  /** An entry holds several statements, and one role that is missing ends them all. */
  async #mendGrants(path: string, entry: TocEntry): Promise<void> {
    const isEach = entry.definition !== undefined && !entry.tag.startsWith('LARGE OBJECTS')
    await this.#roles.grant(isEach ? (entry.definition ?? '') : await this.#sqlOf(path, entry))
  }

  async #mendObject(path: string, entry: TocEntry, failure: EntryFailure): Promise<void> {
    const sql = await this.#roles.withoutOwner(await this.#sqlOf(path, entry), entry.owner)
    const session = await this.#open()
    // No statement of ours can hold bytes that are no UTF-8.
    const attempts = holdsBytes(sql) ? [] : await attemptsFor(session, entry, sql, this.#searchPath())
    let problem = failure.message
    for (const attempt of attempts) {
      if (attempt.code === 'constraint-not-valid') this.#requireBlameless(entry, problem)
      const error = await tryUnder(session, attempt.searchPath, attempt.sql)
      if (error === undefined) return await this.#tell(attempt, entry, failure)
      if (problem === '') problem = serverWords(error)
    }
    this.#requireBlameless(entry, problem)
    this.#leftOut.add(entry.id)
    this.#findings.push({
      severity: 'warning',
      code: 'object-left-out',
      subject: this.#subject(entry),
      message: `it could not be made, and was left out: ${problem}`,
      hint: (await this.#functionHint(failure)) ?? `${whoCan(failure)} run in ${this.#run.target}: ${shortened(sql)}`,
    })
  }

  #requireBlameless(entry: TocEntry, problem: string): void {
    const error = this.blame?.(entry, problem)
    if (error !== undefined) throw error
  }

  async #mendRows(path: string, entry: TocEntry, failure: EntryFailure): Promise<void> {
    const session = await this.#open()
    const outcome = await loadRows({ run: this.#run, session, path, entry, searchPath: this.#searchPath() })
    for (const { check, problem } of outcome.notValid)
      this.#findings.push(checkFinding(check, problem, this.#run.target))
    if (outcome.failure === undefined) {
      if (outcome.notValid.length === 0) await this.#tell({ code: 'needed-search-path' }, entry, failure)
      return
    }
    const hint = await this.#functionHint(failure)
    if (this.#run.request.checks) throw this.#rowsLost(entry, outcome.failure, failure, hint)
    this.#findings.push({
      severity: 'error',
      code: 'object-left-out',
      subject: this.#subject(entry),
      message: `they could not be brought back: ${outcome.failure}`,
      ...(hint === undefined ? {} : { hint }),
    })
  }

  async #tell({ code }: Pick<Attempt, 'code'>, entry: TocEntry, failure: EntryFailure): Promise<void> {
    const finding = { code, subject: this.#subject(entry) }
    if (code === 'needed-search-path') {
      const hint = await this.#functionHint(failure)
      const message = `it came back only under the search path ${this.#searchPath()}: ${failure.message}`
      this.#findings.push({ ...finding, severity: 'info', message, ...(hint === undefined ? {} : { hint }) })
    } else if (code === 'constraint-not-valid') {
      const message = 'rows broke it when they were captured; it came back as NOT VALID, for new rows only'
      const hint = `Correct those rows, then run ALTER TABLE ... VALIDATE CONSTRAINT. The first of them: ${failure.message}`
      this.#findings.push({ ...finding, severity: 'warning', message, hint })
    } else {
      const message = `it came back without roles that the server lacks: ${failure.message}`
      this.#findings.push({
        ...finding,
        severity: 'warning',
        message,
        hint: 'Restore again with --roles to create them.',
      })
    }
  }

  /** The statements of one entry, as psql would be given them, without those that are about the connection. */
  async #sqlOf(path: string, entry: TocEntry): Promise<string> {
    const { tools, request, archives, target, more } = this.#run
    const list = join(request.scratchDir, `entry-${fileName(target)}`)
    await writeFile(list, `${entry.id};\n`, { mode: 0o600 })
    let text = ''
    const tool = { args: [`--use-list=${list}`, '--file=-', ...more], settings: undefined, signal: request.signal }
    await runOverArchive(tools, tool, archives.read(path), `read ${path}`, async child => {
      text = await child.readText()
    })
    return text
      .replace(/^(?:\\(?:un)?restrict .*|SET .*|SELECT pg_catalog\.set_config\('search_path'.*|--.*)\n/gm, '')
      .trim()
  }

  async #open(): Promise<Session> {
    const { settings, into, options, request } = this.#run
    const { signal } = request
    this.#session ??= await openSession({ ...settings, database: into, options }, { database: into, signal })
    return this.#session
  }

  async #tocOf(path: string): Promise<Toc> {
    const there = this.#tocs.get(path)
    if (there !== undefined) return there
    const entries = await readToc(this.#run.archives.read(path))
    const toc = new Map(entries.map(entry => [entry.id, entry]))
    this.#tocs.set(path, toc)
    return toc
  }

  #searchPath(): string {
    return this.#run.database.searchPath ?? DEFAULT_SEARCH_PATH
  }

  #subject(entry: TocEntry): string {
    return `${named(entry)} of database ${this.#run.target}`
  }

  /** The function whose body names what is not found, where the server said so. */
  async #functionHint({ said }: EntryFailure): Promise<string | undefined> {
    const [, sql, plpgsql] = /(?:SQL function "([^"]+)"|PL\/pgSQL function ([^\s(]+)\()/.exec(said) ?? []
    const name = sql ?? plpgsql?.split('.').at(-1)
    if (name === undefined) return undefined
    const session = await this.#open()
    const rows = await session.query<{ signature: string }>(
      `SELECT p.oid::regprocedure::text AS signature FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE p.proname = $1 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`,
      [name.replaceAll('"', '')],
    )
    if (rows.length === 0) return undefined
    const each = rows.map(row => `ALTER FUNCTION ${row.signature} SET search_path = ${this.#searchPath()};`)
    return `Run where it was captured, and here: ${each.join(' ')}`
  }

  /** The first that failed is what the others suffer from. */
  #lost(entry: TocEntry | undefined, failure: EntryFailure, first: EntryFailure, toc: Toc): AppError {
    const root = toc.get(first.id)
    const because = root === undefined || first === failure ? '' : `${named(root)}: ${first.message}; then `
    const what = `${because}${entry === undefined ? '' : `${named(entry)}: `}${failure.message}`
    return new AppError('target-invalid', `cannot restore ${this.#run.target}: ${what}`, {
      hint: `${whoCan(first)} restore it to a server that has what it needs. Nothing was changed.`,
      context: { said: first.said },
    })
  }

  #rowsLost(entry: TocEntry, problem: string, { said }: EntryFailure, hint: string | undefined): AppError {
    const what = `cannot restore ${this.#run.target}: ${named(entry)} do not come back: ${problem}`
    const rest = 'With --no-checks all else is brought back.'
    return new AppError('target-invalid', what, {
      hint: hint === undefined ? rest : `${hint} ${rest}`,
      context: { said },
    })
  }
}

/** `index public.post_slug`, `rows of public.post`. */
export function named({ kind, schema, tag }: TocEntry): string {
  const names: Readonly<Record<string, string>> = {
    'TABLE DATA': 'rows of',
    'MATERIALIZED VIEW DATA': 'rows of materialized view',
    'FK CONSTRAINT': 'foreign key',
  }
  const name = schema === undefined ? tag : `${schema}.${tag}`
  return `${names[kind] ?? kind.toLowerCase()} ${name}`
}

function whoCan({ said }: EntryFailure): string {
  return /permission denied|must be (?:superuser|owner|member)/.test(said)
    ? 'As a superuser'
    : 'When what it needs is there,'
}

const MAX_SQL_CHARS = 500

function shortened(sql: string): string {
  const line = sql.replace(/\s+/g, ' ')
  return line.length <= MAX_SQL_CHARS ? line : `${line.slice(0, MAX_SQL_CHARS)} ...`
}
