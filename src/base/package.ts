import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// The published package is bundled: how deep this code lies in it is the bundler's business.
const HERE = fileURLToPath(import.meta.url)
const ROOT = findRoot(dirname(HERE))

/** A file of this package by its path from the root: `examples/chinook/...`. */
export function packageFile(path: string): string {
  return join(ROOT, path)
}

/** A program of ours that has a process or a thread of its own, by its path in src/: `sources/sqlite/session-process`. */
export function programFile(name: string): string {
  return packageFile(HERE.endsWith('.ts') ? `src/${name}.ts` : `dist/${name}.js`)
}

/** The arguments that start this program again, whoever loaded it. */
export function ownCommand(): readonly string[] {
  return [process.execPath, packageFile('bin/lifeboat.js')]
}

/** This package's version. */
export function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  return String((manifest as { readonly version?: unknown }).version)
}

function findRoot(folder: string): string {
  const above = dirname(folder)
  return above === folder || existsSync(join(folder, 'package.json')) ? folder : findRoot(above)
}
