/**
 * `npm run docs`: writes docs/reference/ from the definitions in the code. With `--check` it only says whether what is
 * there is up to date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cliReference } from './docs/cli.ts'
import { configReference, configSchemaText } from './docs/config.ts'
import { errorReference } from './docs/errors.ts'
import { jsonReference } from './docs/json.ts'
import { maskReference, maskSchemaText } from './docs/mask.ts'

const root = dirname(import.meta.dirname)

const pages: Readonly<Record<string, string>> = {
  'cli.md': await cliReference(),
  'config.md': configReference(),
  'config.schema.json': configSchemaText(),
  'errors.md': errorReference(),
  'json.md': jsonReference(),
  'mask.md': maskReference(),
  'mask.schema.json': maskSchemaText(),
}

const stale: string[] = []
for (const [name, text] of Object.entries(pages)) {
  const file = join(root, 'docs', 'reference', name)
  if (read(file) === text) continue
  stale.push(name)
  if (process.argv.includes('--check')) continue
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`docs/reference is not up to date: ${stale.join(', ')}. Run "npm run docs".`)
  process.exitCode = 1
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
