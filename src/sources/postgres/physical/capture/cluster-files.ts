import { PAGE_BYTES } from '../pages/page-checksum.ts'

/** Which files of a data directory belong into a backup, and what they are. Paths are relative, '/'-separated. */

/** Kept as empty directories: their content is of this run of the server only. */
const EMPTIED = new Set([
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_wal',
])

/**
 * At the top of the data directory. `standby.signal` and `recovery.signal` say what the captured server was about to do,
 * not what it holds: a restored copy must not start as a standby of the live one.
 */
const LEFT_OUT_AT_TOP = new Set([
  'backup_label',
  'backup_label.old',
  'backup_manifest',
  'current_logfiles.tmp',
  'postgresql.auto.conf.tmp',
  'postmaster.opts',
  'postmaster.pid',
  'recovery.signal',
  'standby.signal',
  'tablespace_map',
  'tablespace_map.old',
])

/** Folders of files that are pages changed in place without data checksums (SLRU). */
const PAGED_FOLDERS = /^(pg_xact|pg_multixact|pg_commit_ts)\//

const RELATION_FOLDER = /^(?:global|base\/\d+|pg_tblspc\/\d+\/PG_[^/]+\/\d+)$/
const RELATION_FILE = /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/
const TEMPORARY_RELATION = /^t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/

/** 1 GiB, PostgreSQL's default and only usual segment size of a relation. */
const PAGES_A_SEGMENT = 131_072

/** @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP */
export function isEmptied(path: string): boolean {
  return EMPTIED.has(path)
}

/** A name in a folder that is left out of every backup, with all below it. */
export function isLeftOut(folder: string, name: string): boolean {
  if (name.startsWith('pgsql_tmp') || name.startsWith('pg_internal.init')) return true
  if (folder === '') return LEFT_OUT_AT_TOP.has(name)
  return RELATION_FOLDER.test(folder) && TEMPORARY_RELATION.test(name)
}

/**
 * The names in a relation folder whose content a crash would throw away: all forks of unlogged relations but `_init`,
 * from which recovery makes them anew, empty.
 */
export function listUnlogged(folder: string, names: readonly string[]): Set<string> {
  if (!RELATION_FOLDER.test(folder)) return new Set()
  const unlogged = new Set<string>()
  for (const name of names) {
    const match = RELATION_FILE.exec(name)
    if (match?.[2] === 'init' && match[1] !== undefined) unlogged.add(match[1])
  }
  return new Set(
    names.filter(name => {
      const match = RELATION_FILE.exec(name)
      return match !== null && match[2] !== 'init' && unlogged.has(match[1] ?? '')
    }),
  )
}

export interface RelationFile {
  /** 0: of the database's default tablespace; `pg_global` is 1664. */
  readonly tablespace: number
  /** OID of the database; 0 for shared relations. */
  readonly database: number
  readonly filenode: number
  readonly fork: 'main' | 'fsm' | 'vm' | 'init'
  /** Number of its first page within the relation. */
  readonly firstBlock: number
}

const GLOBAL_TABLESPACE = 1664

/** What a file of pages is; undefined for all other files. */
export function relationOf(path: string): RelationFile | undefined {
  const slash = path.lastIndexOf('/')
  const folder = path.slice(0, Math.max(0, slash))
  const match = RELATION_FILE.exec(path.slice(slash + 1))
  if (!match || !RELATION_FOLDER.test(folder)) return undefined
  const parts = folder.split('/')
  const fork = match[2]
  return {
    tablespace: parts[0] === 'global' ? GLOBAL_TABLESPACE : parts[0] === 'base' ? 0 : Number(parts[1]),
    database: parts[0] === 'global' ? 0 : Number(parts.at(-1)),
    filenode: Number(match[1]),
    fork: fork === 'fsm' || fork === 'vm' || fork === 'init' ? fork : 'main',
    firstBlock: Number(match[3] ?? 0) * PAGES_A_SEGMENT,
  }
}

/** Where nobody has looked at the pages (else see `relationBlockBytes`): in between. */
const RELATION_BLOCK_BYTES = 4 * PAGE_BYTES
/** Log segments are never changed once full, so big pieces serve. */
const WAL_BLOCK_BYTES = 1024 * 1024

/** Where a file's content is cut into blobs. */
export function cutOf(path: string): { kind: 'fixed'; blockBytes: number } | { kind: 'content' } {
  if (path.startsWith('pg_wal/')) return { kind: 'fixed', blockBytes: WAL_BLOCK_BYTES }
  if (relationOf(path) !== undefined || PAGED_FOLDERS.test(path)) {
    return { kind: 'fixed', blockBytes: RELATION_BLOCK_BYTES }
  }
  return { kind: 'content' }
}
