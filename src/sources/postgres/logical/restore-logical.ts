import { AppError, throwIfAborted } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  databaseInUrl,
  describeConnection,
  findPostgresTools,
  isPostgresUrl,
  type PostgresTools,
  type Session,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { Manifest, ManifestServerDatabase } from '../../../model/manifest.ts'
import type { MaskedColumn } from '../../../model/masking/outcome.ts'
import { requireWhole } from '../../require-whole.ts'
import type { CheckOutcome, RestoreOutcome, RestoreRequest, SourcePlace } from '../../source.ts'
import { targetConnection } from '../connection.ts'
import type { PostgresOptions } from '../options.ts'
import { Archives } from './archives.ts'
import type { DatabaseRestore } from './database-restore.ts'
import { type DatabaseOutcome, restoreDatabase } from './restore-database.ts'
import { restoreFolder } from './restore-folder.ts'
import { restoreTables } from './restore-tables.ts'
import { openAdminSession } from './staging-database.ts'

/** To a folder, or to the server that a `postgres://` url names. */
export async function restoreLogical(
  request: RestoreRequest,
  options: PostgresOptions,
  place: SourcePlace,
): Promise<RestoreOutcome> {
  throwIfAborted(request.signal)
  requireWhole(request)
  if (!isPostgresUrl(request.target)) {
    if (request.mask) throw maskNeedsServer()
    return await restoreFolder(request)
  }
  const manifest = requireManifest(request)
  const settings = await targetConnection(request.target, options, place)
  const chosen = chooseTargets(request, manifest)
  if (request.mask) requireOne(chosen)
  const admin = await openAdminSession(
    settings,
    chosen.map(each => each.target),
    request.signal,
  )
  try {
    return await restoreAll(request, options, manifest, settings, admin, chosen)
  } finally {
    await admin.close()
  }
}

interface Chosen {
  readonly database: ManifestServerDatabase
  readonly target: string
}

async function restoreAll(
  request: RestoreRequest,
  options: PostgresOptions,
  manifest: Manifest,
  settings: ConnectionSettings,
  admin: Session,
  chosen: readonly Chosen[],
): Promise<RestoreOutcome> {
  const archives = await Archives.of(request.snapshot)
  const tools = await toolsFor(admin, manifest, options.binDir)
  const partial = manifest.database?.properties['filtered'] === true
  const checks: CheckOutcome[] = []
  const findings: Finding[] = []
  const masked: MaskedColumn[] = []
  for (const { database, target } of chosen) {
    throwIfAborted(request.signal)
    const common = { request, archives, type: manifest.type, database, target, settings, admin, tools, partial }
    const outcome = await restoreOne({ ...common, jobs: options.jobs })
    checks.push(...outcome.checks)
    findings.push(...outcome.findings)
    masked.push(...(outcome.masked ?? []))
  }
  const files = chosen.flatMap(each => each.database.archives)
  const totalBytes = files.reduce((sum, path) => sum + archives.sizeBytes(path), 0)
  const [only] = chosen
  const place = describeConnection(settings, chosen.length === 1 && only ? only.target : settings.database)
  const done = { target: place, files: files.length, totalBytes, writtenBytes: totalBytes, checks, findings }
  return request.mask ? { ...done, masked } : done
}

function maskNeedsServer(): AppError {
  return new AppError('unsupported', 'archives in a folder can not be masked', {
    hint: 'Restore to a server: --to postgres://HOST/DATABASE.',
  })
}

/** The rules can be meant for one database only. */
function requireOne(chosen: readonly Chosen[]): void {
  if (chosen.length < 2) return
  throw new AppError('unsupported', `a mask is for one database, and the snapshot holds ${chosen.length}`, {
    hint: `Name one: ${chosen.map(each => each.database.name).join(', ')}.`,
  })
}

function restoreOne(restore: DatabaseRestore): Promise<DatabaseOutcome> {
  const { tables = [], schemas = [] } = restore.request.selection ?? {}
  // Rows alone go into tables that are there.
  if (tables.length > 0 || schemas.length > 0 || restore.type === 'data') return restoreTables(restore)
  return restoreDatabase(restore)
}

function requireManifest(request: RestoreRequest): Manifest {
  const { manifest, id } = request.snapshot
  if (manifest?.database?.databases !== undefined) return manifest
  throw new AppError('target-invalid', `snapshot ${id.slice(0, 8)} does not say which databases it holds`, {
    hint: 'Restore it to a folder with --to DIR, then use pg_restore by hand.',
  })
}

/** A single database takes the name that the url gives; several keep theirs. */
function chooseTargets(request: RestoreRequest, manifest: Manifest): Chosen[] {
  const all = manifest.database?.databases ?? []
  const wanted = request.selection?.databases ?? []
  const missing = wanted.filter(name => all.every(database => database.name !== name))
  if (missing.length > 0) {
    throw new AppError('not-found', `the snapshot holds no database ${missing.join(', ')}`, {
      hint: `It holds: ${all.map(database => database.name).join(', ')}.`,
    })
  }
  const chosen = wanted.length === 0 ? all : all.filter(database => wanted.includes(database.name))
  const named = databaseInUrl(request.target)
  const [only] = chosen
  if (chosen.length === 1 && only && named !== undefined) return [{ database: only, target: named }]
  return chosen.map(database => ({ database, target: database.name }))
}

/** New enough for the server, and for the archives: an older pg_restore can't read what a newer pg_dump wrote. */
async function toolsFor(admin: Session, manifest: Manifest, binDir: string | undefined): Promise<PostgresTools> {
  const dumped = Number.parseInt(String(manifest.database?.properties['pgDumpVersion'] ?? '0'), 10)
  const versionNumber = Math.max(admin.versionNumber, dumped * 10_000)
  const version = versionNumber === admin.versionNumber ? admin.version : `archives of ${dumped}`
  return await findPostgresTools({ versionNumber, version }, binDir)
}
