import type { z } from 'zod'
import { suggest } from '../base/suggest.ts'
import { choiceAt, type JsonSchema, keysOf, meantBranch } from './choices.ts'
import type { ConfigDocument, KeyPath, Problem } from './document.ts'

type Issue = z.core.$ZodIssue

/** Any other value may be a secret, if only by a mistake, and is never shown. */
const SHOWN =
  /^(kind|mode|type|level|verify|schedule|timezone|rpo|rto|timeout|method|sslmode|copy|every|last|window|slot|(with|hour|dai|week|month|year)[A-Za-z]*|excludeLargerThan|minBytes|status|host)$/
/** Of a mask file: the rule of a column. */
const isMaskRule = (path: KeyPath): boolean => path.length === 3 && path[0] === 'tables'

/** What to write instead of a key that is none, where that is known. */
export type Instead = (path: KeyPath, key: string) => string | undefined

/** The same thing as the JSON Schema, for allowed keys, and what it does not say. */
interface Rules {
  readonly schema: JsonSchema
  readonly instead?: Instead | undefined
}

/** Turns what the schema says into located sentences. */
export function problemsOf(
  issues: readonly Issue[],
  document: ConfigDocument,
  schema: JsonSchema,
  instead?: Instead,
): Problem[] {
  const problems = issues.flatMap(issue => describe(issue, document, { schema, instead }))
  const meant = new Set(problems.map(problem => problem.meant))
  // A key that is misspelt is not missing too.
  const told = problems.filter(({ key, isMissing }) => !(isMissing === true && meant.has(key)))
  const all = told.map(({ meant: _meant, isMissing: _isMissing, ...problem }): Problem => problem)
  return all.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

interface Described extends Problem {
  /** The whole key that an unknown one is taken for. */
  readonly meant?: string | undefined
  readonly isMissing?: boolean
}

function describe(issue: Issue, document: ConfigDocument, rules: Rules): Described[] {
  const path = issue.path.map(part => (typeof part === 'number' ? part : String(part)))
  if (issue.code === 'unrecognized_keys') {
    const allowed = allowedKeys(rules.schema, path, document.value)
    return issue.keys.map(key => unknownKey(key, path, { allowed, instead: rules.instead?.(path, key) }, document))
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
  const meant = issue.code === 'invalid_union' ? issuesOfMeant(issue, path, document, rules.schema) : []
  return meant.length > 0
    ? meant.flatMap(inner => describe(inner, document, rules))
    : [wrongValue(issue, path, document)]
}

/** A choice only says that nothing fits; people want to know what is wrong with the one that they meant. */
function issuesOfMeant(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: KeyPath,
  document: ConfigDocument,
  schema: JsonSchema,
): readonly Issue[] {
  const { branches, data } = choiceAt(schema, path, document.value)
  const meant = branches.findIndex(branch => branch === meantBranch(branches, data))
  return (issue.errors[meant] ?? []).map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

function unknownKey(
  key: string,
  path: KeyPath,
  { allowed, instead }: { readonly allowed: readonly string[]; readonly instead: string | undefined },
  document: ConfigDocument,
): Described {
  const full = [...path, key]
  if (instead !== undefined) {
    const message = `${full.join('.')} cannot be given: ${instead}`
    return { ...document.placeOf(full, 'key'), key: full.join('.'), message, found: key, allowed: '' }
  }
  const meant = suggest(key, allowed)
  return {
    ...document.placeOf(full, 'key'),
    key: full.join('.'),
    message: `${full.join('.')} is not a known key${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    found: key,
    meant: meant === undefined ? undefined : [...path, meant].join('.'),
    allowed: allowed.join(', '),
  }
}

function wrongValue(issue: Issue, path: KeyPath, document: ConfigDocument): Described {
  const key = path.join('.')
  const allowed = allowedValue(issue)
  const written = document.writtenAt(path)
  if (written === undefined) {
    return {
      ...document.placeOf(path.slice(0, -1), 'key'),
      key,
      message: `${key} is missing`,
      allowed,
      isMissing: true,
    }
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

/** The keys that the JSON Schema has for the mapping at `path`. */
function allowedKeys(schema: JsonSchema, path: KeyPath, value: unknown): string[] {
  const { branches, data } = choiceAt(schema, path, value)
  return keysOf(meantBranch(branches, data))
}
