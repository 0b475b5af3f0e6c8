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
/** Hidden folders of tools, which hold what they can make again. Others hold data: `.n8n`, `.tmp`, `.wrangler/state`. */
const SKIPPED_HIDDEN = new Set(
  'cache git hg svn npm pnpm-store yarn next nuxt output svelte-kit astro turbo parcel-cache vite venv tox nox mypy_cache pytest_cache ruff_cache idea vscode vscode-server gradle m2 cargo rustup terraform docker Trash lifeboat direnv devenv'
    .split(' ')
    .map(name => `.${name}`),
)
/** @see https://www.sqlite.org/fileformat.html#magic_header_string */
const MAGIC = 'SQLite format 3\0'
const SMALLEST_PAGE = 512

/**
 * SQLite databases in the usual places below a folder, by their header, as relative paths; the nearest first.
 * `named` are paths that a configuration of the application names. `passedOver`: what was not looked into.
 */
export async function findSqliteFiles(
  folder: string,
  named: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly found: string[]; readonly passedOver: string[] }> {
  const passedOver: string[] = []
  const found = new Set<string>()
  for (const path of named) if (await isSqlite(join(folder, path))) found.add(path)
  let seen = 0
  let level = [folder]
  for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const at of level) {
      throwIfAborted(signal)
      for (const entry of await listFolder(at)) {
        if (++seen > MAX_ENTRIES)
          return { found: [...found], passedOver: [...passedOver, `what follows ${relative(folder, at) || '.'}`] }
        const path = join(at, entry.name)
        if (entry.isDirectory()) {
          const isSkipped = SKIPPED.has(entry.name) || SKIPPED_HIDDEN.has(entry.name) || depth === MAX_DEPTH
          if (isSkipped) passedOver.push(relative(folder, path))
          else next.push(path)
        }
        if (entry.isFile() && (await isSqlite(path))) found.add(relative(folder, path))
      }
    }
    level = next
  }
  return { found: [...found], passedOver }
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
