import type { Dirent } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { throwIfAborted } from '../../base/errors.ts'

const MAX_DEPTH = 5
const MAX_ENTRIES = 50_000
const SKIPPED = new Set([
  'node_modules',
  'vendor',
  'dist',
  'build',
  'target',
  'coverage',
  '__pycache__',
  'venv',
  'backups',
])
/** @see https://www.sqlite.org/fileformat.html#magic_header_string */
const MAGIC = 'SQLite format 3\0'
const SMALLEST_PAGE = 512

/**
 * SQLite databases in the usual places below a folder, by their header, as relative paths; the nearest first.
 * `named` are paths that a configuration of the application names.
 */
export async function findSqliteFiles(
  folder: string,
  named: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const found = new Set<string>()
  for (const path of named) if (await isSqlite(join(folder, path))) found.add(path)
  let seen = 0
  let level = [folder]
  for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const at of level) {
      throwIfAborted(signal)
      for (const entry of await listFolder(at)) {
        if (++seen > MAX_ENTRIES) return [...found]
        const path = join(at, entry.name)
        // Hidden folders hold caches and other tools' state.
        if (entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.has(entry.name)) next.push(path)
        if (entry.isFile() && (await isSqlite(path))) found.add(relative(folder, path))
      }
    }
    level = next
  }
  return [...found]
}

async function listFolder(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    // A folder that may not be read holds nothing for us.
    return []
  }
}

async function isSqlite(path: string): Promise<boolean> {
  try {
    const { size } = await stat(path)
    // The size of a database is a multiple of its page size; this spares opening most files.
    if (size < SMALLEST_PAGE || size % SMALLEST_PAGE !== 0) return false
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0)
      return buffer.toString('latin1', 0, bytesRead) === MAGIC
    } finally {
      await file.close()
    }
  } catch {
    return false
  }
}
