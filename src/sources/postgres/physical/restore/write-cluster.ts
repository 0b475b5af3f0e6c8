import { chmod, chown, lstat, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { forEachLimit } from '../../../../base/concurrency.ts'
import { syncFolder } from '../../../../base/durable.ts'
import { systemCode, throwIfAborted } from '../../../../base/errors.ts'
import { makeFolders } from '../../../../base/make-folders.ts'
import type { TreeNode } from '../../../../model/node.ts'
import { RESTORE_MARKER } from '../../../../model/restore-marker.ts'
import { syncWritten } from '../../../beside/sync-written.ts'
import type { RestoredBytes, RestoreRequest } from '../../../source.ts'
import { CONTROL_FILE } from '../control-file.ts'
import { closeTarget, type RestoreTarget } from '../target/restore-target.ts'
import { makePlace } from './make-place.ts'
import type { PlannedEntry, RestorePlan } from './restore-plan.ts'
import { writeRecovery } from './write-recovery.ts'

const AT_ONCE = 16

/** Writes all of a plan to a directory that `openTarget` has opened, and closes it. The control file comes last. */
export async function writeCluster(
  request: RestoreRequest,
  target: RestoreTarget,
  plan: RestorePlan,
): Promise<RestoredBytes> {
  const places = new Set([...plan.folders, ...plan.files].map(entry => entry.place))
  if (target.existing) await removeOthers([target.path, ...plan.tablespaces.values()], places, plan)
  await makePlannedFolders(target, plan, request.snapshot.root)
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
  await syncWritten([target.path, ...plan.tablespaces.values()], {
    files: files.map(file => file.place),
    folders: [...plan.folders.map(folder => folder.place), target.path],
  })
  // Everything that the control file speaks of is on the disk now.
  await rename(control, join(target.path, CONTROL_FILE))
  await syncFolder(dirname(control))
  await closeTarget(target)
  return bytes
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

async function makePlannedFolders(
  target: RestoreTarget,
  plan: RestorePlan,
  owner: TreeNode | undefined,
): Promise<void> {
  await chmod(target.path, 0o700)
  for (const place of plan.tablespaces.values()) await makePlace(place, owner)
  for (const folder of plan.folders) {
    // What a copy has as a symlink stays one for pg_wal only; all else is made a folder of its own.
    const found = await lstat(folder.place).catch(() => undefined)
    const isWalLink = folder.path === 'pg_wal' && found?.isSymbolicLink() === true
    if (found && !found.isDirectory() && !isWalLink) await rm(folder.place, { force: true })
    await makeFolders(folder.place, 0o700)
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
