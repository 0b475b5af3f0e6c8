import { access, constants, readdir, readlink, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError, systemCode } from '../../../../base/errors.ts'
import type { SnapshotReader } from '../../../source.ts'
import { isVacant } from '../target/restore-target.ts'
import { planRestore, type RestorePlan } from './restore-plan.ts'

/** A place that is in use must not be shared: two clusters of one version would write to the same files there. */
export async function requireFreePlaces(plan: RestorePlan, target: string): Promise<void> {
  for (const [oid, place] of plan.tablespaces) {
    const link = await readlink(join(target, 'pg_tblspc', oid)).catch(() => undefined)
    if (link === place || (await isVacant(place))) continue
    throw new AppError('target-exists', `the place of tablespace ${oid} is not empty: ${place}`, {
      hint: `Put it elsewhere: --tablespace ${oid}=/another/empty/folder.`,
    })
  }
}

const MOVED = /\.lifeboat-[0-9a-f]{8}(?:-\d+)?$/

/**
 * The plan of a cluster that is restored beside the one that it replaces, which keeps its tablespaces where they are. One
 * whose place is taken goes to a new folder beside it, and stays there after the swap: its link lies in the data
 * directory, so that the two renames of the swap are all there is to it.
 */
export async function planBeside(
  snapshot: SnapshotReader,
  partial: string,
  mapping: ReadonlyMap<string, string>,
): Promise<{ readonly plan: RestorePlan; readonly moved: ReadonlyMap<string, string> }> {
  const plan = await planRestore(snapshot, partial, mapping)
  if (plan.tablespaces.size === 0) return { plan, moved: new Map() }
  const original = await planRestore(snapshot, partial, new Map())
  const moved = new Map<string, string>()
  for (const [oid, place] of plan.tablespaces) {
    // Where somebody said it must be, it is there or nowhere.
    if (place !== original.tablespaces.get(oid)) continue
    const link = await linkOf(partial, oid)
    const free = await freePlace(oid, place, link, snapshot.id.slice(0, 8))
    if (free !== place) moved.set(oid, free)
  }
  if (moved.size === 0) return { plan, moved }
  return { plan: await planRestore(snapshot, partial, new Map([...mapping, ...moved])), moved }
}

async function freePlace(oid: string, place: string, link: string | undefined, id: string): Promise<string> {
  const base = place.replace(MOVED, '')
  // An interrupted restore, of whatever snapshot, is gone on with where it was.
  if (link?.replace(MOVED, '') === base) return link
  for (const path of new Set([place, base])) if (await isVacant(path)) return path
  await requireRoomBeside(oid, base, place)
  for (let serial = 1; ; serial++) {
    const path = `${base}.lifeboat-${id}${serial === 1 ? '' : `-${serial}`}`
    if (await isVacant(path)) return path
  }
}

/** A folder beside it must be on the same disk: people put tablespaces on disks of their own for a reason. */
async function requireRoomBeside(oid: string, base: string, place: string): Promise<void> {
  const parent = dirname(base)
  const [there, beside] = await Promise.all([stat(place), stat(parent)])
  const mayWrite = await access(parent, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  if (there.dev === beside.dev && mayWrite) return
  const why = mayWrite ? 'is on another disk' : 'may not be written'
  throw new AppError(
    'target-exists',
    `tablespace ${oid} at ${place} is in use by the cluster that is kept, and ${parent} ${why}`,
    {
      hint: `Say where it shall be: --tablespace ${oid}=/another/empty/folder.`,
    },
  )
}

async function linkOf(dataDir: string, oid: string): Promise<string | undefined> {
  return await readlink(join(dataDir, 'pg_tblspc', oid)).catch(() => undefined)
}

/** The places outside of a data directory that its links lead to: of tablespaces. */
export async function listTablespaces(dataDir: string): Promise<string[]> {
  const names = await readdir(join(dataDir, 'pg_tblspc')).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    return []
  })
  const links = await Promise.all(names.map(name => linkOf(dataDir, name)))
  return links.filter(link => link !== undefined)
}

/** Removes a data directory that is not used any more, and its tablespaces but for those of `others`. */
export async function removeCluster(dataDir: string, others: readonly string[]): Promise<void> {
  const used = new Set((await Promise.all(others.map(listTablespaces))).flat())
  const own = (await listTablespaces(dataDir)).filter(place => !used.has(place))
  for (const place of own) {
    // What else lies there is not PostgreSQL's.
    const versions = (await readdir(place).catch(() => [])).filter(name => /^PG_\d+_\d+$/.test(name))
    for (const name of versions) await rm(join(place, name), { recursive: true, force: true })
    // A folder that somebody made for it is left, empty.
    if (MOVED.test(place)) await rmdir(place).catch(() => {})
  }
  await rm(dataDir, { recursive: true, force: true })
}
