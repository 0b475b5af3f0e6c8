import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, isAppError, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  findPostgresTools,
  findServerTools,
  type PostgresTools,
  startTemporaryCluster,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { Manifest, ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { CheckOutcome, VerifyOutcome, VerifyRequest } from '../../../source.ts'
import type { PostgresOptions } from '../../options.ts'
import { copyOfDatabases } from '../../restored-copy.ts'
import { Archives, runOverArchive } from '../archive/archives.ts'
import { CopyCounter } from '../archive/copy-counter.ts'
import { compareRows } from './restore-checks.ts'
import { restoreDatabase } from './restore-database.ts'

/**
 * Reads every archive to its end with pg_restore, which its table of contents alone would not show to be whole, and
 * counts the rows that come out. With `restore` it then really brings each database back, in a cluster of its own.
 */
export async function verifyLogical(request: VerifyRequest, options: PostgresOptions): Promise<VerifyOutcome> {
  const manifest = request.snapshot.manifest
  if (manifest?.database?.databases === undefined) {
    throw new AppError('damaged', `snapshot ${request.snapshot.id.slice(0, 8)} has no list of its databases`, {
      hint: 'It was not made by Lifeboat, or its manifest is lost; restore it to a folder and look at it.',
    })
  }
  const databases = manifest.database.databases
  const archives = await Archives.of(request.snapshot)
  const major = writtenBy(manifest)
  const tools = await findPostgresTools(
    { versionNumber: major * 10_000, version: `archives of ${major}` },
    options.binDir,
  )
  const checks: CheckOutcome[] = []
  for (const database of databases) {
    throwIfAborted(request.signal)
    checks.push(await readDatabase(request, archives, tools, manifest, database))
  }
  const findings: Finding[] = []
  if (request.restore && manifest.type !== 'data' && checks.every(check => check.passed)) {
    checks.push(...(await rehearse({ request, archives, manifest, options, findings })))
  }
  const paths = databases.flatMap(database => database.archives)
  return { checks, findings, bytesRead: paths.reduce((sum, path) => sum + archives.sizeBytes(path), 0) }
}

function writtenBy(manifest: Manifest): number {
  return Number.parseInt(String(manifest.database?.properties['pgDumpVersion'] ?? '0'), 10)
}

const READ_BYTES = 1024 * 1024

async function readDatabase(
  request: VerifyRequest,
  archives: Archives,
  tools: PostgresTools,
  manifest: Manifest,
  database: ManifestServerDatabase,
): Promise<CheckOutcome> {
  const counter = new CopyCounter()
  const name = `archives of ${database.name}`
  // Without the schema, whose function bodies may hold anything.
  const run = { args: ['--file=-', '--data-only'], settings: undefined, signal: request.signal }
  try {
    for (const path of database.archives) {
      await runOverArchive(tools, run, archives.read(path), `read ${path}`, async child => {
        const buffer = Buffer.alloc(READ_BYTES)
        for (let count = buffer.length; count === buffer.length; ) {
          count = await child.read(buffer)
          counter.add(buffer.subarray(0, count))
        }
      })
    }
  } catch (error) {
    // Damage of the repository is for the caller to tell; anything else is what is wrong with the archive.
    if (isAppError(error, 'interrupted') || isAppError(error, 'damaged') || !isAppError(error)) throw error
    return { name, passed: false, expected: 'readable to the end', found: error.message }
  }
  if (!counter.whole) return { name, passed: false, expected: 'readable to the end', found: 'ends inside of a table' }
  const expected = manifest.type === 'schema' ? [] : expectedRows(manifest, database, counter)
  return compareRows(
    name,
    expected,
    [...counter.rows].map(([table, rows]) => ({ name: table, rows })),
  )
}

/** Tables whose rows were left out on purpose (`excludeTableData`) are in no archive. */
function expectedRows(
  manifest: Manifest,
  database: ManifestServerDatabase,
  counter: CopyCounter,
): ManifestServerDatabase['tables'] {
  if (manifest.database?.properties['filtered'] !== true) return database.tables
  return database.tables.filter(table => counter.rows.has(table.name))
}

interface Rehearsal {
  readonly request: VerifyRequest
  readonly archives: Archives
  readonly manifest: Manifest
  readonly options: PostgresOptions
  readonly findings: Finding[]
}

async function rehearse(rehearsal: Rehearsal): Promise<CheckOutcome[]> {
  const { request, archives, manifest, options, findings } = rehearsal
  const number = Number(manifest.database?.properties['serverVersionNumber'] ?? 0)
  const major = Math.floor(number / 10_000)
  const tools = await findServerTools(major, options.binDir)
  if (!tools) {
    throw new AppError('tool-missing', `the server programs of PostgreSQL ${major} are not installed on this machine`, {
      hint: `Install them (apt-get install postgresql-${major}), or restore to a new database of a server instead.`,
    })
  }
  // Not the scratch folder: the server may run as another user, and a socket's path must be short.
  const dir = await mkdtemp(join(tmpdir(), 'lifeboat-pg-'))
  const cluster = await startTemporaryCluster({ tools, dir, signal: request.signal, settings: locksFor(manifest) })
  try {
    const settings = cluster.server.connection
    return await withSession(settings, { database: 'template1', signal: request.signal }, async admin => {
      const checks: CheckOutcome[] = []
      for (const database of manifest.database?.databases ?? []) {
        const into = {
          ...request,
          target: database.name,
          force: true,
          delta: false,
          checks: true,
          include: [],
          own: { roles: true },
          // Asked when all of them are there.
          onRestored: undefined,
        }
        const outcome = await restoreDatabase({
          request: into,
          archives,
          type: manifest.type,
          database,
          target: database.name,
          settings,
          admin,
          tools,
          jobs: options.jobs,
          lockTimeoutSeconds: options.lockTimeoutSeconds,
          partial: manifest.database?.properties['filtered'] === true,
        })
        checks.push(...outcome.checks)
        // What was in the empty cluster (its own `postgres`) is nobody's.
        findings.push(...outcome.findings.filter(finding => finding.code !== 'old-database-kept'))
      }
      return [...checks, ...(await askCopy(rehearsal, settings, checks))]
    })
  } finally {
    await cluster.remove()
    await rm(dir, { recursive: true, force: true })
  }
}

/** pg_dump, which compares the schema, locks all tables of a database at once; a cluster has 40 connections. */
function locksFor(manifest: Manifest): string[] {
  const tables = Math.max(0, ...(manifest.database?.databases ?? []).map(database => database.tables.length))
  return [`max_locks_per_transaction=${Math.max(64, Math.ceil(tables / 10))}`]
}

async function askCopy(
  { request, manifest }: Rehearsal,
  settings: ConnectionSettings,
  checks: readonly CheckOutcome[],
): Promise<readonly CheckOutcome[]> {
  const databases = manifest.database?.databases ?? []
  const [first] = databases
  const { onRestored, signal } = request
  if (onRestored === undefined || first === undefined || manifest.type === 'schema') return []
  if (checks.some(check => !check.passed)) return []
  const names = new Map(databases.map(({ name }) => [name, name]))
  return await onRestored(copyOfDatabases({ settings, names, defaultDatabase: first.name, signal }))
}
