import { suggest } from '../base/suggest.ts'
import type { KeyPath } from './document.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/** What may stand at a place, and what does: one branch where there is no choice. */
interface Choice {
  readonly branches: readonly JsonSchema[]
  readonly data: unknown
}

/** Walks the JSON Schema and the data of the same file; no branches where the schema knows no such place. */
export function choiceAt(schema: JsonSchema, path: KeyPath, value: unknown): Choice {
  let choice: Choice = { branches: branchesOf(schema), data: value }
  for (const part of path) {
    const at = meantBranch(choice.branches, choice.data) ?? {}
    const next = at['items'] ?? valueOf(at['properties'], part) ?? at['additionalProperties']
    choice = { branches: isSchema(next) ? branchesOf(next) : [], data: valueOf(choice.data, part) }
  }
  return choice
}

/**
 * Which of several shapes somebody meant: the one whose `kind` is named, the only one that is a mapping (or list) as the
 * data is, or the one that has most of the data's keys for itself, misspelt or not. Undefined when nothing tells.
 */
export function meantBranch(branches: readonly JsonSchema[], data: unknown): JsonSchema | undefined {
  if (branches.length <= 1) return branches[0]
  const type = Array.isArray(data) ? 'array' : isSchema(data) ? 'object' : undefined
  const alike = branches.filter(branch => type !== undefined && branch['type'] === type)
  if (alike.length <= 1 || !isSchema(data)) return alike[0]
  const kinds = alike.map(branch => valueOf(valueOf(branch.properties, 'kind'), 'const'))
  if (!kinds.includes(undefined)) return alike[kinds.indexOf(data.kind)]
  const scored = alike.map(branch => ({ branch, score: countOwn(branch, alike, Object.keys(data)) }))
  const best = scored.reduce((first, second) => (second.score > first.score ? second : first))
  return best.score > 0 ? best.branch : undefined
}

/** How many of the keys belong to this branch and not to each of them; one that is written right counts twice. */
function countOwn(branch: JsonSchema, all: readonly JsonSchema[], keys: readonly string[]): number {
  const own = new Set(keysOf(branch).filter(key => !all.every(each => keysOf(each).includes(key))))
  const right = keys.filter(key => own.has(key)).length
  const known = all.flatMap(keysOf)
  const misspelt = keys.filter(key => !known.includes(key) && own.has(suggest(key, known) ?? '')).length
  return 2 * right + misspelt
}

export function keysOf(schema: JsonSchema | undefined): string[] {
  const properties = schema?.['properties']
  return isSchema(properties) ? Object.keys(properties) : []
}

function branchesOf(schema: JsonSchema): readonly JsonSchema[] {
  const branches = schema['oneOf'] ?? schema['anyOf']
  return Array.isArray(branches) ? branches.filter(isSchema) : [schema]
}

function valueOf(data: unknown, key: string | number): unknown {
  return (isSchema(data) || Array.isArray(data)) && Object.hasOwn(data, key) ? Reflect.get(data, key) : undefined
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
