import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SOURCES } from './registry.ts'

const ROOT = join(import.meta.dirname, '..')
const FOLDERS = readdirSync(import.meta.dirname, { withFileTypes: true }).filter(
  entry => entry.isDirectory() && entry.name !== 'beside',
)
/** Adapters; and where these words mean something else: clients, the catalog's own file, the demonstration. */
const ELSEWHERE = [...FOLDERS.map(({ name }) => `sources/${name}/`), 'clients/', 'catalog/', 'cli/demo/']

const KINDS = SOURCES.map(({ kind }) => kind)
/** A word of everybody too: only as a kind is it one of ours. */
const COMMON = ['files']
const RARE = [...KINDS, 'postgresql'].filter(word => !COMMON.includes(word))

const literal = (words: readonly string[]): string => `['"\`](?:${words.join('|')})(?::[^'"\`\\n]*)?['"\`]`
const RARE_WORD = new RegExp(literal(RARE), 'g')
const AS_KIND = new RegExp(`kind\\b[^\\n]{0,12}?[=:,(]\\s*${literal(COMMON)}|case ${literal(COMMON)}`, 'gi')
const COMMENT = /^\s*(?:\/?\*|\/\/).*$/gm

/** Where a text of the program knows a kind, or the scheme of a kind's URLs. */
function kindsIn(text: string): string[] {
  const code = text.replace(COMMENT, '')
  return [...code.matchAll(RARE_WORD), ...code.matchAll(AS_KIND)].map(([found]) => found)
}

function* programs(folder = ''): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = `${folder}${entry.name}`
    if (entry.isDirectory()) yield* programs(`${path}/`)
    else if (/(?<!\.test)\.ts$/.test(path) && !ELSEWHERE.some(each => path.startsWith(each))) yield path
  }
}

describe('no kind of source outside of its adapter', () => {
  it('holds for every file', () => {
    const known = [...programs()].map(path => [path, kindsIn(readFileSync(join(ROOT, path), 'utf8'))] as const)
    expect(known.length).toBeGreaterThan(300)
    expect(known.filter(([, kinds]) => kinds.length > 0)).toEqual([])
  })

  it.each([
    "if (source.kind === 'sqlite') return",
    "return labels.kind !== 'files'",
    "switch (kind) { case 'postgres-cluster': break }",
    'const scheme = "postgresql"',
    "new Set(['postgres'])",
    "const place = 'postgres:///'",
    "const FOREIGN_KIND = 'files'",
  ])('would see: %s', text => {
    expect(kindsIn(text)).not.toEqual([])
  })

  it.each(["complete: 'files'", "import { files } from './files/index.ts'", "say('a SQLite database')"])(
    'lets pass: %s',
    text => {
      expect(kindsIn(text)).toEqual([])
    },
  )
})
