import type { BigIntStats } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeName, encodeName } from '../../../../base/bytes.ts'
import { systemCode } from '../../../../base/errors.ts'
import { isEmptied, isLeftOut, listUnlogged } from './cluster-files.ts'

export interface ClusterEntry {
  /** Relative to the data directory. */
  readonly path: string
  readonly stats: BigIntStats
}

export interface WalkEvents {
  /** Neither file nor folder, or a symlink where PostgreSQL has none. */
  readonly skipped: (path: string) => void
  /** Absolute path; true leaves it out with all below it. */
  readonly isExcluded: (absolute: string) => boolean
}

/**
 * The files of a data directory that belong into a backup, depth first, `global` last and `global/pg_control` its last.
 * `pg_wal` is left to the caller. Files may vanish at any time; a folder that did is passed over.
 */
export async function* walkCluster(dataDir: string, events: WalkEvents): AsyncGenerator<ClusterEntry> {
  const names = await listNames(dataDir, '')
  const ordered = names.filter(name => name !== 'pg_wal').toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  for (const name of ordered) yield* walkEntry({ dataDir, events }, '', name)
}

function rank(name: string): number {
  return name === 'global' ? 1 : 0
}

interface Walk {
  readonly dataDir: string
  readonly events: WalkEvents
}

async function* walkEntry(walk: Walk, folder: string, name: string): AsyncGenerator<ClusterEntry> {
  const path = folder === '' ? name : `${folder}/${name}`
  if (isLeftOut(folder, name) || walk.events.isExcluded(join(walk.dataDir, path))) return
  const stats = await statEntry(walk.dataDir, path)
  if (stats === undefined) return
  if (stats.isDirectory()) {
    yield { path, stats }
    if (!isEmptied(path)) yield* walkFolder(walk, path)
  } else if (stats.isFile()) {
    yield { path, stats }
  } else {
    walk.events.skipped(path)
  }
}

async function* walkFolder(walk: Walk, folder: string): AsyncGenerator<ClusterEntry> {
  const names = await listNames(walk.dataDir, folder)
  const unlogged = listUnlogged(folder, names)
  for (const name of names) if (!unlogged.has(name)) yield* walkEntry(walk, folder, name)
}

/** A tablespace's link is followed; no other is. */
async function statEntry(dataDir: string, path: string): Promise<BigIntStats | undefined> {
  const isTablespace = /^pg_tblspc\/\d+$/.test(path)
  try {
    return await (isTablespace ? stat : lstat)(encodeName(join(dataDir, path)), { bigint: true })
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && !isTablespace) return undefined
    throw error
  }
}

async function listNames(dataDir: string, folder: string): Promise<string[]> {
  try {
    const names = await readdir(encodeName(join(dataDir, folder)), { encoding: 'buffer' })
    const decoded = names.map(decodeName).toSorted((a, b) => (a < b ? -1 : 1))
    // The control file says up to where the copy must be recovered, so it is read after all that it speaks of.
    return folder === 'global' ? [...decoded.filter(name => name !== CONTROL), CONTROL] : decoded
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && folder !== '') return []
    throw error
  }
}

const CONTROL = 'pg_control'
