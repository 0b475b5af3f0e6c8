import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../../src/base/secret.ts'
import type { Mask, MaskRule } from '../../src/model/masking/rules.ts'

type Written = MaskRule | Exclude<MaskRule['kind'], 'fixed' | 'sql'>

/** A mask as if read from `mask.yaml`, one rule a line. */
export function maskOf(tables: Record<string, Record<string, Written>>, more: Partial<Mask> = {}): Mask {
  let line = 1
  const at = (): string => `mask.yaml:${++line}:3`
  return {
    file: '/etc/lifeboat/mask.yaml',
    seed: new Secret('a seed for tests'),
    tables: Object.entries(tables).map(([table, columns]) => ({
      table,
      at: at(),
      columns: Object.entries(columns).map(([column, rule]) => ({
        column,
        rule: typeof rule === 'string' ? { kind: rule } : rule,
        at: at(),
      })),
    })),
    ...more,
  }
}

/** Files below a folder in whose bytes one of these texts occurs, in UTF-8 or UTF-16, as `file: text`. */
export function filesHolding(dir: string, texts: readonly string[]): string[] {
  const found: string[] = []
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const path = join(dir, name)
    const entry = statSync(path, { throwIfNoEntry: false })
    if (!entry?.isFile()) continue
    const bytes = readFileSync(path)
    for (const text of texts) {
      if (bytes.includes(text) || bytes.includes(Buffer.from(text, 'utf16le'))) found.push(`${name}: ${text}`)
    }
  }
  return found
}
