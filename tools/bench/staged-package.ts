import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')

/**
 * Builds the package and lays it out as npm would, below `dir`: what users run is compiled, not the sources.
 * Returns the command that starts it.
 */
export function stagePackage(dir: string): string[] {
  const build = spawnSync(process.execPath, [join(ROOT, 'tools/build.ts')], { cwd: ROOT, stdio: 'inherit' })
  if (build.status !== 0) throw new Error('the build failed')
  const staged = join(dir, 'package')
  rmSync(staged, { recursive: true, force: true })
  mkdirSync(staged, { recursive: true })
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(join(ROOT, part), join(staged, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(staged, 'node_modules'))
  return [process.execPath, join(staged, 'bin/lifeboat.js')]
}
