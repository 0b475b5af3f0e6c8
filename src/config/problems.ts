import type { z } from 'zod'
import { suggest } from '../base/suggest.ts'
import type { ConfigDocument, KeyPath, Problem } from './document.ts'

type Issue = z.core.$ZodIssue
type JsonSchema = Readonly<Record<string, unknown>>

/** Any other value may be a secret, if only by a mistake, and is never shown. */
const SHOWN =
  /^(kind|mode|type|level|verify|schedule|timezone|rpo|rto|timeout|method|sslmode|copy|every|last|window|slot|(with|hour|dai|week|month|year)[A-Za-z]*|excludeLargerThan|minBytes|status|host)$/
/** Of a mask file: the rule of a column. */
const isMaskRule = (path: KeyPath): boolean => path.length === 3 && path[0] === 'tables'

/** Turns what the schema says into located sentences. `schema` is the JSON Schema of the same thing, for allowed keys. */
export function problemsOf(issues: readonly Issue[], document: ConfigDocument, schema: JsonSchema): Problem[] {
  const problems = issues.flatMap(issue => describe(issue, document, schema))
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

function describe(issue: Issue, document: ConfigDocument, schema: JsonSchema): Problem[] {
  const path = issue.path.map(part => (typeof part === 'number' ? part : String(part)))
  if (issue.code === 'unrecognized_keys') {
    const allowed = allowedKeys(schema, path, document.value)
    return issue.keys.map(key => unknownKey(key, path, allowed, document))
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? issue.message
    const name = String(path.at(-1))
    return [
      {
        ...document.placeOf(path, 'key'),
        key: path.join('.'),
        message: `${JSON.stringify(name)} cannot be a name`,
        found: name,
        allowed,
      },
    ]
  }
  return [wrongValue(issue, path, document)]
}

function unknownKey(key: string, path: KeyPath, allowed: readonly string[], document: ConfigDocument): Problem {
  const full = [...path, key]
  const meant = suggest(key, allowed)
  return {
    ...document.placeOf(full, 'key'),
    key: full.join('.'),
    message: `${full.join('.')} is not a known key${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    found: key,
    allowed: allowed.join(', '),
  }
}

function wrongValue(issue: Issue, path: KeyPath, document: ConfigDocument): Problem {
  const key = path.join('.')
  const allowed = allowedValue(issue)
  const written = document.writtenAt(path)
  if (written === undefined) {
    return { ...document.placeOf(path.slice(0, -1), 'key'), key, message: `${key} is missing`, allowed }
  }
  const isShown = (SHOWN.test(String(path.at(-1))) || isMaskRule(path)) && !written.includes('://')
  const isPlain = /^(a mapping|a list|nothing|true|false)$/.test(written)
  const shown = isShown || isPlain ? shorten(written) : undefined
  const name = key === '' ? 'the file' : key
  // A rule about a whole mapping is not about one value that was found.
  const ruleOfWhole = issue.code === 'custom' && written === 'a mapping'
  return {
    ...document.placeOf(path, ruleOfWhole ? 'key' : 'value'),
    key,
    message: ruleOfWhole
      ? `${name} does not have what it needs`
      : shown === undefined
        ? `${name} is not right`
        : `${name} cannot be ${shown}`,
    ...(ruleOfWhole || shown === undefined ? {} : { found: shown }),
    allowed,
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

function allowedValue(issue: Issue): string {
  // The schema's own messages say what is allowed; zod's begin like this.
  if (!/^(Invalid|Too|Unrecognized)/.test(issue.message)) return issue.message
  if (issue.code === 'invalid_union') {
    return 'options' in issue && issue.options ? issue.options.map(String).join(', ') : unionOf(issue.errors)
  }
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ')
  if (issue.code === 'invalid_type') return TYPES[issue.expected] ?? issue.expected
  if (issue.code === 'too_small') return `at least ${issue.minimum}`
  if (issue.code === 'too_big') return `at most ${issue.maximum}`
  return issue.message
}

function unionOf(errors: readonly (readonly Issue[])[]): string {
  const each = errors.flatMap(issues => issues.slice(0, 1).map(allowedValue))
  return [...new Set(each)].join(', or ')
}

const LONGEST_SHOWN = 200

function shorten(text: string): string {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}... (${text.length} characters)`
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The keys that the JSON Schema has for the mapping at `path`. */
function allowedKeys(schema: JsonSchema, path: KeyPath, value: unknown): string[] {
  let at: JsonSchema = schema
  let data = value
  for (const part of path) {
    const properties = isSchema(at.properties) ? at.properties : {}
    const next = at.items ?? properties[String(part)] ?? at.additionalProperties
    if (!isSchema(next)) return []
    data = isSchema(data) || Array.isArray(data) ? Reflect.get(data, String(part)) : undefined
    at = branchOf(next, data)
  }
  return Object.keys(isSchema(at.properties) ? at.properties : {})
}

/** Of a choice by `kind`, the branch that the data names. */
function branchOf(schema: JsonSchema, data: unknown): JsonSchema {
  const branches = schema.oneOf ?? schema.anyOf
  if (!Array.isArray(branches) || !isSchema(data)) return schema
  const kinds: unknown[] = branches
  const found = kinds.find(branch => {
    const kind = isSchema(branch) && isSchema(branch.properties) ? branch.properties.kind : undefined
    return isSchema(kind) && kind.const === data.kind
  })
  return isSchema(found) ? found : schema
}
