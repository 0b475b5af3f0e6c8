import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'
import { CACHE } from './start-server.ts'

export { type RunningServer, startServer } from './start-server.ts'

/** A server that tests need: its program, and `describe` where it is. Elsewhere skipped with one line, a failure under CI. */
export function cachedServer(
  what: string,
  path: string,
): { readonly program: string; readonly describe: typeof describe } {
  const program = join(CACHE, path)
  const isInstalled = existsSync(program)
  if (!isInstalled && process.env['CI'] === 'true') throw new Error(`no ${what} at ${program}: run tools/setup`)
  if (!isInstalled) console.warn(`skipped: no ${what} on this machine; tools/setup installs it`)
  return { program, describe: isInstalled ? describe : (describe.skip as typeof describe) }
}
