import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { systemIdentifierOf } from './model/wal.ts'
import { notePlace } from './operations/wal/note-place.ts'
import { WalSpool } from './operations/wal/spool.ts'

/**
 * PostgreSQL runs `wal push` and `wal fetch` once for each log file, one after the other. What was done ahead is
 * answered here, before the command line, the configuration and the repository are loaded, which takes several times
 * as long. Whatever is not plain goes the long way.
 */
export async function takeWalShortcut(argv: readonly string[], cwd: string, now: Date): Promise<boolean> {
  const call = parse(argv)
  if (call === undefined) return false
  try {
    const config = resolve(cwd, call.config)
    const [text, control] = await Promise.all([
      readFile(config, 'utf8'),
      readFile(join(cwd, 'global', 'pg_control')).catch(() => undefined),
    ])
    const systemIdentifier = call.system ?? (control && systemIdentifierOf(control))
    // With a state folder of its own the configuration must be read in full.
    if (systemIdentifier === undefined || /^\s*["']?state["']?\s*:/m.test(text)) return false
    const spool = new WalSpool(join(dirname(config), '.lifeboat', 'wal'), systemIdentifier)
    if (call.verb === 'fetch') return await spool.take(call.first, resolve(cwd, call.second))
    const path = resolve(cwd, call.first)
    return await spool.takeNote(path, basename(path), notePlace(config, text, call), now)
  } catch {
    // The long way finds out what is wrong, and says it.
    return false
  }
}

interface WalCall {
  readonly verb: 'push' | 'fetch'
  readonly first: string
  readonly second: string
  readonly config: string
  readonly source?: string
  readonly repo?: string
  readonly system?: string
}

const OPTIONS = new Set(['config', 'source', 'repo', 'system'])

/** Undefined unless it is nothing but `wal push PATH` or `wal fetch FILE PATH` with options that are known here. */
function parse(argv: readonly string[]): WalCall | undefined {
  const words: string[] = []
  const options: Record<string, string> = {}
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (!word.startsWith('-')) {
      words.push(word)
      continue
    }
    const [, name = '', joined] = /^--([a-z]+)(?:=(.*))?$/s.exec(word) ?? []
    const value = joined ?? argv[++i]
    if (!OPTIONS.has(name) || value === undefined) return undefined
    options[name] = value
  }
  const [group, verb, first, second] = words
  const { config, ...asked } = options
  if (group !== 'wal' || config === undefined || first === undefined) return undefined
  if (verb === 'push' && words.length === 3) return { verb, first, second: '', config, ...asked }
  if (verb === 'fetch' && words.length === 4 && second !== undefined) return { verb, first, second, config, ...asked }
  return undefined
}
