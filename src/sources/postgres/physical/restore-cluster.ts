import { chmod, chown, lstat, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { forEachLimit } from '../../../base/concurrency.ts'
import { AppError, isAppError, systemCode, throwIfAborted } from '../../../base/errors.ts'
import { holdingPath } from '../../../base/hold-path.ts'
import type { RestoredBytes, RestoreOutcome, RestoreRequest } from '../../source.ts'
import { textProperty } from './cluster-properties.ts'
import { CONTROL_FILE } from './control-file.ts'
import { syncFile, syncTrees } from './durable.ts'
import { makePlace, type PlaceOwner } from './make-place.ts'
import { type PlannedEntry, planRestore, type RestorePlan } from './restore-plan.ts'
import { closeTarget, isVacant, openTarget, RESTORE_MARKER, type RestoreTarget, targetError } from './restore-target.ts'
import { startRestored } from './start-restored.ts'
import { verifyBackup } from './verify-backup.ts'
import { writeRecovery } from './write-recovery.ts'

const AT_ONCE = 16

export interface ClusterRestore {
  readonly request: RestoreRequest
  /** Where tablespaces shall be, by OID or by the path they had. */
  readonly tablespaces: ReadonlyMap<string, string>
  readonly binDir: string | undefined
}

/**
 * Writes a physical snapshot to a data directory. A server can start in it only when all of it is there: the control
 * file comes last.
 */
export async function restoreCluster({ request, tablespaces, binDir }: ClusterRestore): Promise<RestoreOutcome> {
  const { snapshot, target: path } = request
  if (request.include.length > 0) {
    throw new AppError('unsupported', 'a cluster can only be restored whole', {
      hint: 'Leave --include out; a table or a database alone comes from a logical backup.',
    })
  }
  const systemIdentifier = textProperty(snapshot.manifest, 'systemIdentifier')
  if (systemIdentifier === undefined || textProperty(snapshot.manifest, 'mode') !== 'physical') {
    throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is no physical backup of a cluster`)
  }
  throwIfAborted(request.signal)
  const plan = await planRestore(snapshot, path, tablespaces)
  return await holdingPath(path, () => restoreInto({ request, tablespaces, binDir }, plan, systemIdentifier))
}

async function restoreInto(
  { request, binDir }: ClusterRestore,
  plan: RestorePlan,
  systemIdentifier: string,
): Promise<RestoreOutcome> {
  const { snapshot, target: path } = request
  await requireFreePlaces(plan, path)
  const { root: owner } = snapshot
  const target = await openTarget({ path, snapshot: snapshot.id, systemIdentifier, force: request.force, owner })
  try {
    const bytes = await writeCluster(request, target, plan)
    const checks = request.checks ? await verifyBackup(request, path, binDir) : { checks: [], findings: [] }
    const outcome = { target: path, files: plan.files.length, ...bytes, ...checks }
    if (request.start !== true || checks.checks.some(check => !check.passed)) return outcome
    const { server, findings } = await startRestored(request, path, binDir)
    return { ...outcome, findings: [...checks.findings, ...findings], started: server }
  } catch (error) {
    throw isAppError(error) ? error : systemCode(error) === undefined ? error : targetError(path, error)
  }
}

async function writeCluster(request: RestoreRequest, target: RestoreTarget, plan: RestorePlan): Promise<RestoredBytes> {
  const places = new Set([...plan.folders, ...plan.files].map(entry => entry.place))
  if (target.existing) await removeOthers([target.path, ...plan.tablespaces.values()], places, plan)
  await makeFolders(target, plan, request.snapshot.root)
  const control = join(target.path, `${CONTROL_FILE}.lifeboat`)
  const isControl = (file: PlannedEntry): boolean => file.path === CONTROL_FILE
  const files = plan.files.map(file => (isControl(file) ? { ...file, place: control } : file))
  const delta = target.existing && request.delta
  const bytes = await request.snapshot.restoreFiles(files.map(({ node, place }) => ({ node, path: place, delta })))
  await forEachLimit([...files, ...plan.folders], AT_ONCE, setAccess)
  await writeRecovery(target.path, request.recovery)
  const root = request.snapshot.root
  if (root) await setAccess({ path: '', place: target.path, node: root })
  throwIfAborted(request.signal)
  const written = [...files.map(file => file.place), ...plan.folders.map(folder => folder.place), target.path]
  await syncTrees([target.path, ...plan.tablespaces.values()], written)
  // Everything that the control file speaks of is on the disk now.
  await rename(control, join(target.path, CONTROL_FILE))
  await syncFile(dirname(control))
  await closeTarget(target)
  return bytes
}

/** A place that is in use must not be shared: two clusters of one version would write to the same files there. */
async function requireFreePlaces(plan: RestorePlan, target: string): Promise<void> {
  for (const [oid, place] of plan.tablespaces) {
    const link = await readlink(join(target, 'pg_tblspc', oid)).catch(() => undefined)
    if (link === place || (await isVacant(place))) continue
    throw new AppError('target-exists', `the place of tablespace ${oid} is not empty: ${place}`, {
      hint: `Put it elsewhere: --tablespace ${oid}=/another/empty/folder.`,
    })
  }
}

/** Removes what an older copy has and the snapshot has not. */
async function removeOthers(roots: readonly string[], places: ReadonlySet<string>, plan: RestorePlan): Promise<void> {
  const kept = (place: string): boolean => places.has(place) || place.endsWith(`/${RESTORE_MARKER}`)
  const isLink = (place: string): boolean => plan.tablespaces.has(/\/pg_tblspc\/(\d+)$/.exec(place)?.[1] ?? '')
  const sweep = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      // What can't be looked into could hold an older cluster's files, which must not be mixed with these.
      if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error
      return []
    })
    for (const entry of entries) {
      const place = join(folder, entry.name)
      if (isLink(place)) continue
      if (!kept(place)) await rm(place, { recursive: true, force: true })
      else if (entry.isDirectory() || entry.name === 'pg_wal') await sweep(place)
    }
  }
  for (const root of roots) await sweep(root)
}

async function makeFolders(target: RestoreTarget, plan: RestorePlan, owner: PlaceOwner | undefined): Promise<void> {
  await chmod(target.path, 0o700)
  for (const place of plan.tablespaces.values()) await makePlace(place, owner)
  for (const folder of plan.folders) {
    // What a copy has as a symlink stays one for pg_wal only; all else is made a folder of its own.
    const found = await lstat(folder.place).catch(() => undefined)
    const isWalLink = folder.path === 'pg_wal' && found?.isSymbolicLink() === true
    if (found && !found.isDirectory() && !isWalLink) await rm(folder.place, { force: true })
    await mkdir(folder.place, { recursive: true, mode: 0o700 })
  }
  for (const [oid, place] of plan.tablespaces) {
    const link = join(target.path, 'pg_tblspc', oid)
    if ((await readlink(link).catch(() => undefined)) === place) continue
    await rm(link, { recursive: true, force: true })
    await symlink(place, link)
  }
}

/** PostgreSQL wants its files for itself, or readable for its group. Root gives them to whom they belonged. */
async function setAccess({ place, node }: PlannedEntry): Promise<void> {
  const mask = node.type === 'dir' ? 0o750 : 0o640
  await chmod(place, node.mode & mask)
  if (process.getuid?.() === 0) await chown(place, node.uid, node.gid)
}
