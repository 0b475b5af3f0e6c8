import { existsSync } from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { packageFile } from '../../base/package.ts'

/** The program that is running. */
export const OWN_BIN = packageFile('bin/lifeboat.js')

/** What a person types in `dir` to run this very program: `npx lifeboat`, `lifeboat`, or its path. */
export function ownCommand(dir: string, path: string): string {
  if (OWN_BIN.includes('node_modules') && ancestors(dir).some(above => existsSync(bin(above)))) return 'npx lifeboat'
  const installed = path.split(delimiter).some(folder => folder !== '' && existsSync(join(folder, 'lifeboat')))
  if (OWN_BIN.includes('node_modules') && installed) return 'lifeboat'
  return `node ${relative(dir, OWN_BIN)}`
}

const bin = (dir: string): string => join(dir, 'node_modules', '.bin', 'lifeboat')

function ancestors(dir: string): string[] {
  const above = dirname(dir)
  return above === dir ? [dir] : [dir, ...ancestors(above)]
}
