import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  findPostgresTools,
  isPostgresUrl,
  type PostgresTools,
  type Session,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { type BackupType, isPart, type Manifest } from '../../../../model/manifest.ts'
import { requireWhole } from '../../../require-whole.ts'
import type { Change, CheckOutcome, RestoreOutcome, RestoreRequest, SourcePlace } from '../../../source.ts'
import { targetConnection } from '../../connection.ts'
import type { PostgresOptions } from '../../options.ts'
import { Archives } from '../archive/archives.ts'
import { restoreTables } from '../tables/restore-tables.ts'
import { type ChosenDatabase, chooseTargets, describeTargets, placesOf } from '../target/choose-targets.ts'
import type { DatabaseRestore, StagedDatabase } from './database-restore.ts'
import { LEFT_OUT } from './mending.ts'
import { dropStaged, type PlacedDatabases, placeDatabases } from './place-databases.ts'
import { stageDatabase } from './restore-database.ts'
import { restoreFolder } from './restore-folder.ts'
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
  const chosen = chooseTargets(request, manifest.database?.databases ?? [])
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

async function restoreAll(
  request: RestoreRequest,
  options: PostgresOptions,
  manifest: Manifest,
  settings: ConnectionSettings,
  admin: Session,
  chosen: readonly ChosenDatabase[],
): Promise<RestoreOutcome> {
  const archives = await Archives.of(request.snapshot)
  const tools = await toolsFor(admin, manifest, options.binDir)
  const partial = manifest.database?.properties['filtered'] === true
  const type = partOf(manifest.type, request)
  const common = {
    request,
    archives,
    type,
    settings,
    admin,
    tools,
    partial,
    jobs: options.jobs,
    lockTimeoutSeconds: options.lockTimeoutSeconds,
  }
  const restores = chosen.map(each => ({ ...common, ...each }))
  const outcome = isIntoTables(request, type) ? await restoreInto(restores) : await replaceAll(admin, request, restores)
  const files = chosen.flatMap(each => each.database.archives)
  const totalBytes = files.reduce((sum, path) => sum + archives.sizeBytes(path), 0)
  const place = describeTargets(
    settings,
    chosen.map(each => each.target),
  )
  const kept = request.keepAs === undefined ? undefined : outcome.kept
  const { checks, findings } = outcome
  const leftOut = findings.some(finding => LEFT_OUT.has(finding.code))
  const bytes = { totalBytes, writtenBytes: totalBytes }
  const done = { target: place, files: files.length, ...bytes, checks, findings, leftOut, kept }
  return request.mask ? { ...done, masked: outcome.masked ?? [] } : done
}

function maskNeedsServer(): AppError {
  return new AppError('unsupported', 'archives in a folder cannot be masked', {
    hint: 'Restore to a server: --to postgres://HOST/DATABASE.',
  })
}

/** The rules can be meant for one database only. */
function requireOne(chosen: readonly ChosenDatabase[]): void {
  if (chosen.length < 2) return
  throw new AppError('unsupported', `a mask is for one database, and the snapshot holds ${chosen.length}`, {
    hint: `Name one: ${chosen.map(each => each.database.name).join(', ')}.`,
  })
}

/** What comes back of a snapshot of this type. Throws `target-invalid` for a part that it does not hold. */
function partOf(type: BackupType, { selection, snapshot }: RestoreRequest): BackupType {
  const part = selection?.part
  if (part === undefined || part === type) return type
  if (!isPart(type)) return part
  throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is of type ${type}: it holds no ${part}`, {
    hint: 'Choose a full recovery point; "lifeboat snapshots" says the type of each.',
  })
}

/** Rows alone go into tables that are there. */
function isIntoTables({ selection, takeAway }: RestoreRequest, type: BackupType): boolean {
  return (
    takeAway !== undefined ||
    (selection?.tables ?? []).length > 0 ||
    (selection?.schemas ?? []).length > 0 ||
    type === 'data'
  )
}

/** Each database is a transaction of its own. */
async function restoreInto(restores: readonly DatabaseRestore[]): Promise<PlacedDatabases> {
  const checks: CheckOutcome[] = []
  const findings: Finding[] = []
  let told = false
  for (const restore of restores) {
    throwIfAborted(restore.request.signal)
    const places = restores.flatMap(({ settings, target }) => placesOf(settings, [target]))
    const beforeChange = async (change: Change): Promise<void> => {
      if (told) return
      told = true
      // One transaction can be asked for afterwards; of several the first says nothing about the others.
      await restore.request.beforeChange?.(restores.length === 1 ? change : { places })
    }
    const outcome = await restoreTables(restore, beforeChange)
    checks.push(...outcome.checks)
    findings.push(...outcome.findings)
  }
  return { checks, findings, kept: [] }
}

/** All are filled and checked before the first one takes its place. */
async function replaceAll(
  admin: Session,
  request: RestoreRequest,
  restores: readonly DatabaseRestore[],
): Promise<PlacedDatabases> {
  const staged: StagedDatabase[] = []
  try {
    for (const restore of restores) {
      throwIfAborted(request.signal)
      staged.push(await stageDatabase(restore))
    }
  } catch (error) {
    await dropStaged(staged).catch(() => {})
    throw error
  }
  return await placeDatabases(admin, request, staged)
}

function requireManifest(request: RestoreRequest): Manifest {
  const { manifest, id } = request.snapshot
  if (manifest?.database?.databases !== undefined) return manifest
  throw new AppError('target-invalid', `snapshot ${id.slice(0, 8)} does not say which databases it holds`, {
    hint: 'Restore it to a folder with --to DIR, then use pg_restore by hand.',
  })
}

/** New enough for the server, and for the archives: an older pg_restore can't read what a newer pg_dump wrote. */
export async function toolsFor(admin: Session, manifest: Manifest, binDir: string | undefined): Promise<PostgresTools> {
  const dumped = Number.parseInt(String(manifest.database?.properties['pgDumpVersion'] ?? '0'), 10)
  const versionNumber = Math.max(admin.versionNumber, dumped * 10_000)
  const version = versionNumber === admin.versionNumber ? admin.version : `archives of ${dumped}`
  return await findPostgresTools({ versionNumber, version }, binDir)
}
