import { basename } from 'node:path'
import type { Child } from '../../../../base/child.ts'
import { forEachLimit } from '../../../../base/concurrency.ts'
import { AppError, isAppError } from '../../../../base/errors.ts'
import {
  quoteIdentifier,
  quoteLiteral,
  quoteName,
  requireSuccess,
  type Session,
  startTool,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { brokenByMask } from '../../../../model/masking/broken.ts'
import { unmaskedFinding } from '../../../../model/masking/detection.ts'
import type { MaskedColumn } from '../../../../model/masking/outcome.ts'
import { type PlannedColumn, planMask } from '../../../../model/masking/plan.ts'
import type { Mask } from '../../../../model/masking/rules.ts'
import { runOverArchive } from '../archive/archives.ts'
import type { TocEntry } from '../archive/toc.ts'
import type { LoadRun } from '../restore/database-restore.ts'
import { loadSection, withMending } from '../restore/load-archives.ts'
import { addCheck, type Check, checkFinding, dropChecks } from '../restore/mending-checks.ts'
import { underPath } from '../restore/mending-rows.ts'
import { DEFAULT_SEARCH_PATH } from '../search-path.ts'
import type { CopyEncoding } from './copy-field.ts'
import { CopyMasker, type MaskJob } from './copy-masker.ts'
import { loadFailure } from './load-failure.ts'
import { constraintKey, type MaskCatalog } from './mask-catalog.ts'
import { readCatalog } from './mask-keys.ts'
import { SqlRules } from './sql-rules.ts'

export interface MaskedLoad {
  readonly masked: MaskedColumn[]
  readonly findings: Finding[]
}

/**
 * Fills a new database from archives, masked on the way: rows are read out of pg_restore, masked here, and only then
 * given to the server. Nothing is spooled.
 */
export async function loadMasked(run: LoadRun, mask: Mask): Promise<MaskedLoad> {
  let load: MaskedLoad | undefined
  const mended = await withMending(run, async mending => {
    await loadSection(run, mending, 'pre-data')
    const catalog = await readCatalog(run)
    const plan = planMask(mask, catalog.tables, { foldCase: false })
    const context = { run, mask, plan, catalog }
    const { job, findings } = await loadRows(context)
    await advanceSequences(run, plan, catalog)
    mending.blame = (entry, message) => blameMask(context, entry, message)
    await loadSection(run, mending, 'post-data')
    const masked = plan.map(({ table, column, rule, follows }, at) => {
      return { table, column, rule, follows, values: job.counts[at] ?? 0 }
    })
    load = { masked, findings: [...findings, ...findingsOf(job, mask, run.target)] }
  })
  return { masked: load?.masked ?? [], findings: [...mended, ...(load?.findings ?? [])] }
}

interface RowsLoaded {
  readonly job: MaskJob
  readonly findings: readonly Finding[]
}

/** All rows; again under the application's search path and without CHECKs, where those of the source itself need it. */
async function loadRows(context: PipeContext): Promise<RowsLoaded> {
  const { run, catalog } = context
  try {
    return { job: await copyRows(context, undefined), findings: [] }
  } catch (error) {
    // A mask that breaks a constraint is to be mended.
    if (!isAppError(error) || KEPT_CODES.has(error.code)) throw error
  }
  return await withSession(run.settings, { database: run.into, signal: run.request.signal }, async session => {
    const searchPath = run.database.searchPath ?? DEFAULT_SEARCH_PATH
    await emptyTables(session, catalog.tables)
    const checks = await dropChecks(session)
    const job = await copyRows(context, searchPath)
    const findings: Finding[] = []
    for (const check of checks) {
      const problem = await addCheck(session, check, [searchPath])
      if (problem === undefined) continue
      const blamed = blamedCheck(context, check, problem)
      if (blamed !== undefined) throw blamed
      findings.push(checkFinding(check, problem, run.target))
    }
    return { job, findings }
  })
}

const KEPT_CODES: ReadonlySet<string> = new Set(['config-invalid', 'interrupted', 'damaged', 'unsupported'])

/** Tables that an aborted try has filled; what is in no table is set, not added. */
async function emptyTables(session: Session, tables: MaskCatalog['tables']): Promise<void> {
  for (const { schema = 'public', name } of tables) await session.query(`TRUNCATE ${quoteName(schema, name)}`)
  await session.query('SELECT lo_unlink(oid) FROM pg_largeobject_metadata')
}

async function copyRows(context: PipeContext, searchPath: string | undefined): Promise<MaskJob> {
  const { run, mask, plan, catalog } = context
  const [main = '', ...parts] = run.database.archives
  const sqlRules = await openSqlRules(run, mask, plan, catalog)
  const job: MaskJob = {
    tables: new Map(catalog.tables.map(table => [table.key, table])),
    plan,
    seed: mask.seed.reveal(),
    encoding: encodingOf(run.database.encoding),
    sqlRules,
    counts: plan.map(() => 0),
    samples: new Map(),
    largeObjects: false,
  }
  try {
    const loads = [{ path: main, args: ['--section=data'] }, ...parts.map(path => ({ path, args: ['--data-only'] }))]
    await forEachLimit(loads, run.jobs, ({ path, args }) =>
      pipe({ ...context, searchPath }, path, args, new CopyMasker(job)),
    )
    return job
  } finally {
    await sqlRules?.close()
  }
}

/** A key or index that masked values do not meet; what no rule touches is so in the snapshot. */
function blameMask({ mask, plan, catalog }: PipeContext, entry: TocEntry, message: string): AppError | undefined {
  const kind = { CONSTRAINT: 'constraint', 'FK CONSTRAINT': 'foreign key', INDEX: 'unique constraint' }[entry.kind]
  if (kind === undefined) return undefined
  for (const table of catalog.tables.filter(each => each.schema === entry.schema)) {
    // Of a constraint the tag names the table too, of an index it does not.
    const name = entry.kind === 'INDEX' ? entry.tag : entry.tag.slice(table.name.length + 1)
    if (entry.kind !== 'INDEX' && entry.tag !== `${table.name} ${name}`) continue
    const columns = catalog.constraints.get(constraintKey(table.key, name))
    if (columns === undefined) continue
    const broken = { table: table.key, columns, constraint: `${kind} ${name}` }
    return onlyBlamed(brokenByMask(mask.file, plan, broken, message))
  }
  return undefined
}

function blamedCheck({ mask, plan, catalog }: PipeContext, check: Check, problem: string): AppError | undefined {
  for (const table of catalog.tables) {
    if (check.table.replaceAll('"', '') !== `TABLE ${table.schema}.${table.name}`) continue
    const columns = catalog.constraints.get(constraintKey(table.key, check.name)) ?? []
    const broken = { table: table.key, columns, constraint: `check constraint ${check.name}` }
    return onlyBlamed(brokenByMask(mask.file, plan, broken, problem))
  }
  return undefined
}

/** Undefined where no rule is to blame. */
function onlyBlamed(error: AppError): AppError | undefined {
  return error.code === 'config-invalid' ? error : undefined
}

/** Encodings of one byte a character; of others than UTF-8 with more we would write what is no character. */
const MANY_BYTES = /^(?:EUC_|MULE_INTERNAL|JOHAB|BIG5|GB|SJIS|SHIFT_JIS|UHC)/i

function encodingOf(name: string): CopyEncoding {
  if (/^UTF-?8$/i.test(name)) return 'utf8'
  if (!MANY_BYTES.test(name)) return 'latin1'
  throw new AppError('unsupported', `a database in the encoding ${name} cannot be masked`, {
    hint: 'Masking works for UTF8 and for encodings of one byte a character.',
  })
}

async function openSqlRules(
  run: LoadRun,
  mask: Mask,
  plan: readonly PlannedColumn[],
  catalog: MaskCatalog,
): Promise<SqlRules | undefined> {
  if (plan.every(each => each.rule.kind !== 'sql')) return undefined
  const rules = await SqlRules.open(run.settings, run.into, mask.file, run.request.signal)
  try {
    for (const table of catalog.tables) {
      await rules.tryOut(
        table,
        plan.filter(each => each.table === table.key && each.rule.kind === 'sql'),
      )
    }
    return rules
  } catch (error) {
    await rules.close()
    throw error
  }
}

/** Masked numbers may be higher than those before: what a sequence gives next must not be there yet. */
async function advanceSequences(run: LoadRun, plan: readonly PlannedColumn[], catalog: MaskCatalog): Promise<void> {
  const numbers = plan.filter(({ table, column, derivation }) => {
    const found = catalog.tables.find(each => each.key === table)?.columns.find(each => each.name === column)
    return derivation !== undefined && found?.type === 'integer'
  })
  if (numbers.length === 0) return
  await withSession(run.settings, { database: run.into, signal: run.request.signal }, async session => {
    for (const { table, column } of numbers) {
      const { schema = 'public', name = '' } = catalog.tables.find(each => each.key === table) ?? {}
      const quoted = quoteName(schema, name)
      const [row] = await session.query<{ sequence: string | null }>(
        'SELECT pg_get_serial_sequence($1, $2) AS sequence',
        [quoted, column],
      )
      if (row?.sequence == null) continue
      await session.query(
        `SELECT setval(${quoteLiteral(row.sequence)}, m) FROM (SELECT max(${quoteIdentifier(column)}) AS m FROM ${quoted}) AS t,
          ${row.sequence} AS s WHERE m > s.last_value`,
      )
    }
  })
}

interface PipeContext {
  readonly run: LoadRun
  readonly mask: Mask
  readonly plan: readonly PlannedColumn[]
  readonly catalog: MaskCatalog
  /** Where the rows' own functions look up names; else nowhere. */
  readonly searchPath?: string | undefined
}

const PUMP_BYTES = 256 * 1024

/** psql ended before it was told all. */
class Refused extends Error {}

/** What pg_restore writes, through the mask, into psql. */
async function pipe(context: PipeContext, path: string, args: readonly string[], masker: CopyMasker): Promise<void> {
  const { run } = context
  const { tools, request, archives } = run
  const settings = { ...run.settings, database: run.into, options: run.options }
  const tool = {
    tool: 'psql',
    args: [
      '--no-psqlrc',
      '--quiet',
      '--no-password',
      '--set=ON_ERROR_STOP=1',
      '--set=VERBOSITY=verbose',
      '--output=/dev/null',
      '--file=-',
    ],
    settings,
    stdin: 'pipe' as const,
    signal: request.signal,
  }
  const psql = await startTool(tools, tool)
  try {
    const restore = {
      args: ['--file=-', ...args, ...run.more, ...withoutStatistics(run)],
      settings: undefined,
      signal: request.signal,
    }
    await runOverArchive(tools, restore, archives.read(path), `restore ${run.target}`, child =>
      pump(child, psql, masker, context.searchPath),
    )
    psql.endInput()
    await psql.wait()
  } catch (error) {
    // psql's own reason comes first, below.
    if (!(error instanceof Refused)) {
      await psql.stop()
      throw error
    }
  }
  const exit = await psql.wait()
  if (exit.code === 0) return
  const failure = loadFailure(psql.stderr, context.mask, context.plan, context.catalog)
  if (failure) throw failure
  requireSuccess(psql, exit, { settings, tool: 'psql' }, `restore ${run.target}`)
}

/** Statistics hold values of columns; archives from version 18 on may have them. */
function withoutStatistics({ tools }: LoadRun): string[] {
  return tools.major >= 18 ? ['--no-statistics'] : []
}

async function pump(from: Child, psql: Child, masker: CopyMasker, searchPath: string | undefined): Promise<void> {
  const say = async (bytes: Buffer): Promise<void> => {
    if (bytes.length > 0 && !(await psql.write(bytes))) throw new Refused()
  }
  let first = searchPath
  for (;;) {
    const buffer = Buffer.alloc(PUMP_BYTES)
    const count = await from.read(buffer)
    const bytes = await masker.add(buffer.subarray(0, count))
    await say(first === undefined ? bytes : underPath(bytes, first))
    if (bytes.length > 0) first = undefined
    if (count < PUMP_BYTES) break
  }
  await say(masker.end())
}

function findingsOf(job: MaskJob, mask: Mask, target: string): Finding[] {
  const findings: Finding[] = []
  for (const table of job.tables.values()) {
    for (const column of table.columns) {
      const sample = job.samples.get(`${table.key}\0${column.name}`)
      const finding = sample && unmaskedFinding(basename(mask.file), table, column, sample)
      if (finding) findings.push(finding)
    }
  }
  if (!job.largeObjects) return findings
  const large: Finding = {
    severity: 'warning',
    code: 'large-objects-unmasked',
    subject: `database ${target}`,
    message: 'its large objects (pg_largeobject) were copied as they are: no rule reaches them',
    hint: 'Remove them from the copy where they may be personal: SELECT lo_unlink(oid) FROM pg_largeobject_metadata.',
  }
  return [...findings, large]
}
