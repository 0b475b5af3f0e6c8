import { basename } from 'node:path'
import type { Child } from '../../../../base/child.ts'
import { forEachLimit } from '../../../../base/concurrency.ts'
import { AppError } from '../../../../base/errors.ts'
import {
  quoteIdentifier,
  quoteLiteral,
  quoteName,
  requireSuccess,
  startTool,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { unmaskedFinding } from '../../../../model/masking/detection.ts'
import type { MaskedColumn } from '../../../../model/masking/outcome.ts'
import { type PlannedColumn, planMask } from '../../../../model/masking/plan.ts'
import type { Mask } from '../../../../model/masking/rules.ts'
import { runOverArchive } from '../archives.ts'
import type { LoadRun } from '../database-restore.ts'
import type { CopyEncoding } from './copy-field.ts'
import { CopyMasker, type MaskJob } from './copy-masker.ts'
import { loadFailure } from './load-failure.ts'
import { type MaskCatalog, readMaskCatalog } from './mask-catalog.ts'
import { SqlRules } from './sql-rules.ts'

export interface MaskedLoad {
  readonly masked: MaskedColumn[]
  readonly findings: Finding[]
}

/** Statements before the data, with what `LoadRun` says of the connection. */
export type LoadSection = (run: LoadRun, path: string, args: readonly string[]) => Promise<void>

/**
 * Fills a new database from archives, masked on the way: rows are read out of pg_restore, masked here, and only then
 * given to the server. Nothing is spooled. `loadSection` runs pg_restore for what holds no rows.
 */
export async function loadMasked(run: LoadRun, mask: Mask, loadSection: LoadSection): Promise<MaskedLoad> {
  const [main = '', ...parts] = run.database.archives
  await loadSection(run, main, ['--section=pre-data'])
  const catalog = await readCatalog(run, main)
  const plan = planMask(mask, catalog.tables, { foldCase: false })
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
    const context = { run, mask, plan, catalog }
    await forEachLimit(loads, run.jobs, ({ path, args }) => pipe(context, path, args, new CopyMasker(job)))
    await advanceSequences(run, plan, catalog)
    // Large archives restore several sections at once elsewhere; here the order is what keeps an error readable.
    await pipe(context, main, ['--section=post-data'], undefined)
  } finally {
    await sqlRules?.close()
  }
  const masked = plan.map(({ table, column, rule, follows }, at) => {
    return { table, column, rule, follows, values: job.counts[at] ?? 0 }
  })
  return { masked, findings: findingsOf(job, mask, run.target) }
}

/** Encodings of one byte a character; of others than UTF-8 with more we would write what is no character. */
const MANY_BYTES = /^(?:EUC_|MULE_INTERNAL|JOHAB|BIG5|GB|SJIS|SHIFT_JIS|UHC)/i

function encodingOf(name: string): CopyEncoding {
  if (/^UTF-?8$/i.test(name)) return 'utf8'
  if (!MANY_BYTES.test(name)) return 'latin1'
  throw new AppError('unsupported', `a database in the encoding ${name} can not be masked`, {
    hint: 'Masking works for UTF8 and for encodings of one byte a character.',
  })
}

/**
 * The catalog with all constraints, though they are to be made after the data: they are made on the empty tables in a
 * transaction that is rolled back.
 */
async function readCatalog(run: LoadRun, main: string): Promise<MaskCatalog> {
  let script = ''
  const tool = {
    args: ['--section=post-data', '--file=-', ...run.more],
    settings: undefined,
    signal: run.request.signal,
  }
  await runOverArchive(run.tools, tool, run.archives.read(main), `read ${main}`, async child => {
    script = await child.readText()
  })
  // Words for psql, and the encoding of a connection that is not this one.
  const sql = script.replace(/^(?:\\(?:un)?restrict .*|SET client_encoding = .*)$/gm, '')
  return await withSession(run.settings, { database: run.into, signal: run.request.signal }, async session => {
    await session.query('BEGIN')
    if (sql.trim() !== '') await session.query(sql)
    const catalog = await readMaskCatalog(session)
    await session.query('ROLLBACK')
    return catalog
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
}

const PUMP_BYTES = 256 * 1024

/** psql ended before it was told all. */
class Refused extends Error {}

/** What pg_restore writes, through the mask, into psql. */
async function pipe(
  context: PipeContext,
  path: string,
  args: readonly string[],
  masker: CopyMasker | undefined,
): Promise<void> {
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
      pump(child, psql, masker),
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

async function pump(from: Child, psql: Child, masker: CopyMasker | undefined): Promise<void> {
  const say = async (bytes: Buffer): Promise<void> => {
    if (bytes.length > 0 && !(await psql.write(bytes))) throw new Refused()
  }
  for (;;) {
    const buffer = Buffer.alloc(PUMP_BYTES)
    const count = await from.read(buffer)
    const bytes = buffer.subarray(0, count)
    await say(masker ? await masker.add(bytes) : bytes)
    if (count < PUMP_BYTES) break
  }
  if (masker) await say(masker.end())
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
