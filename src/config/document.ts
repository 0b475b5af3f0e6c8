import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { isAppError } from '../base/errors.ts'
import { typedPath } from '../base/typed-path.ts'

export type KeyPath = readonly (string | number)[]

/** A place in the file, for people: the first line and column are 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface Problem extends Position {
  /** `policies.nightly.keep.daily`; empty for the file as a whole. */
  readonly key: string
  /** Lower case, no full stop. */
  readonly message: string
  readonly found?: string
  readonly allowed?: string
}

export interface ConfigDocument {
  /** Plain data, variables filled in. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** Where the value at this path starts (`key`: where its key does); of the nearest parent when it is not there. */
  placeOf(path: KeyPath, what?: 'key' | 'value'): Position
  /** The value of a key at the top as it is written, also where other things are wrong; for what is read first. */
  plainAt(key: string): unknown
  /** The value at this path as it is written in the file, variables not filled in; undefined when it is not there. */
  writtenAt(path: KeyPath): string | undefined
}

// In a flow mapping `{ url: ${DATABASE_URL} }` YAML takes the braces for its own. So a reference is rewritten to
// private-use characters of the same length before YAML reads the text; positions stay right, and what a variable
// holds is never parsed as YAML.
const [OPEN, BRACE, CLOSE] = ['\uE000', '\uE001', '\uE002']
const REFERENCE = /\$\{([^}\n]*)\}/g
const MARKED = /\uE000\uE001([^\uE002]*)\uE002/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * What is wrong, in our words: those of the parser quote the file, which may be a private key or a list of passwords.
 * @see https://eemeli.org/yaml/#errors
 */
const YAML_PROBLEMS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'the file holds several documents (---); one is allowed',
  DUPLICATE_KEY: 'this key stands there twice',
  BAD_INDENT: 'the indentation is wrong',
  TAB_AS_INDENT: 'a tab cannot indent; use spaces',
  MISSING_CHAR: 'a character is missing here: a quote, bracket, brace, comma or colon',
  BAD_SCALAR_START: 'a value that begins with this character needs quotes',
  BAD_DQ_ESCAPE: 'this escape (\\) is unknown; use single quotes for text with backslashes',
  TAG_RESOLVE_FAILED: 'tags (!) are not supported here',
  BAD_ALIAS: 'a value that begins with "*" or "&" needs quotes',
  UNEXPECTED_TOKEN: 'this is not expected here',
  BLOCK_AS_IMPLICIT_KEY: 'nested mappings need lines of their own, or braces',
  MULTILINE_IMPLICIT_KEY: 'a key has to stand on one line; is a colon missing?',
}

interface Reading {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** One of these keys makes the file what it is taken for; of any other file nothing is shown. */
  readonly rootKeys: readonly string[]
}

/** Reads YAML text and fills in `${NAME}` and `${NAME:-default}`; `$${NAME}` stays `${NAME}`. Never throws. */
export function readDocument(text: string, { environment, rootKeys }: Reading): ConfigDocument {
  const lines = new LineCounter()
  const document = parseDocument(mark(text), { lineCounter: lines, merge: false, prettyErrors: false })
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const written = new Map<unknown, string>()
  const problems: Problem[] = document.errors.map(error => ({
    ...place(error.pos[0]),
    key: '',
    message: YAML_PROBLEMS[error.code] ?? 'this is not YAML',
  }))
  const isKnown = isOfKind(document, rootKeys)
  if (!isKnown) {
    const wanted = `it has none of the keys ${rootKeys.join(', ')}`
    problems.splice(0, problems.length, {
      line: 1,
      column: 1,
      key: '',
      message: `this is another kind of file: ${wanted}`,
    })
  }
  if (isKnown) fillIn(document, { environment, place, written, problems })
  return {
    value: problems.length === 0 ? document.toJS() : undefined,
    problems,
    plainAt: key => plainValue(document, key),
    placeOf: (path, what = 'value') => place(offsetOf(document, path, what)),
    writtenAt: path => writtenText(nodeAt(document, path), written),
  }
}

/** What stands in the text as plain data, with `${NAME}` as it is written. For a text that `readDocument` has no problem with. */
export function writtenDocument(text: string): unknown {
  return parseDocument(mark(text), { merge: false, prettyErrors: false }).toJS({
    maxAliasCount: 0,
    reviver: (_key: unknown, value: unknown) => (typeof value === 'string' ? unmark(value) : value),
  })
}

interface Filling {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly place: (offset: number) => Position
  /** What stood where something was filled in. */
  readonly written: Map<unknown, string>
  readonly problems: Problem[]
}

/** Fills in variables and home folders, and notes what no configuration may hold. */
function fillIn(document: Document, { environment, place, written, problems }: Filling): void {
  const note = (node: Node, message: string, more: Partial<Problem> = {}): void => {
    problems.push({ ...place(node.range?.[0] ?? 0), key: '', message, ...more })
  }
  const expand = (path: string, node: Node): string => {
    try {
      return typedPath(path, environment)
    } catch (error) {
      if (!isAppError(error)) throw error
      note(node, error.message, { allowed: error.hint ?? '' })
      return path
    }
  }
  visit(document, {
    Pair: (_key, pair) => {
      // JavaScript would take it for something else and lose it, with whatever it says.
      if (!isScalar(pair.key) || pair.key.value !== '__proto__') return
      note(pair.key, '"__proto__" cannot be a name', { key: '__proto__' })
    },
    Alias: (_key, node) => note(node, 'aliases (*) are not supported here'),
    Scalar: (key, node) => {
      if (typeof node.value !== 'string') return
      if (key !== 'key' && /^(~\/|[A-Za-z]:[\\/]|\\\\)/.test(node.value)) {
        written.set(node, node.value)
        node.value = expand(node.value, node)
      }
      if (typeof node.value !== 'string' || !node.value.includes(OPEN)) return
      const original = unmark(node.value)
      written.set(node, original)
      node.value = key === 'key' ? original : fill(node.value, environment, message => note(node, message))
    },
  })
}

function plainValue(document: Document, key: string): unknown {
  const node = nodeAt(document, [key])
  return isScalar(node) || isSeq(node) ? node.toJS(document) : undefined
}

const mark = (text: string): string => text.replace(REFERENCE, (_, inner: string) => `${OPEN}${BRACE}${inner}${CLOSE}`)

const unmark = (text: string): string => text.replace(MARKED, (_, inner: string) => `\${${inner}}`)

/** Nothing at all is an unfinished one. */
function isOfKind({ contents }: Document, rootKeys: readonly string[]): boolean {
  if (contents === null || (isScalar(contents) && contents.value === null)) return true
  return isMap(contents) && contents.items.some(({ key }) => isScalar(key) && rootKeys.includes(String(key.value)))
}

function fill(
  value: string,
  environment: Readonly<Record<string, string | undefined>>,
  fail: (message: string) => void,
): string {
  return value.replace(/\$?\uE000\uE001([^\uE002]*)\uE002/g, (whole, inner: string) => {
    if (whole.startsWith('$')) return `\${${inner}}`
    const [, name = '', otherwise] = VARIABLE.exec(inner) ?? []
    if (name === '') fail('between ${ and } there is no name of an environment variable')
    const found = environment[name]
    if (found !== undefined && found !== '') return found
    if (otherwise === undefined && name !== '') fail(`environment variable ${name} is not set`)
    return otherwise ?? ''
  })
}

function nodeAt(document: Document, path: KeyPath): Node | undefined {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node : undefined
}

function offsetOf(document: Document, path: KeyPath, what: 'key' | 'value'): number {
  for (let length = path.length; length > 0; length--) {
    const head = path.slice(0, length)
    const wantsKey = what === 'key' || length < path.length
    const node = wantsKey ? keyNode(document, head) : nodeAt(document, head)
    if (node?.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

function keyNode(document: Document, path: KeyPath): Node | undefined {
  const parent = nodeAt(document, path.slice(0, -1))
  const last = path.at(-1)
  if (!isMap(parent)) return nodeAt(document, path)
  for (const pair of parent.items) {
    if (isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(last)) return pair.key
  }
  return undefined
}

function writtenText(node: Node | undefined, written: ReadonlyMap<unknown, string>): string | undefined {
  if (node === undefined) return undefined
  if (isMap(node)) return 'a mapping'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node)) return undefined
  const text = written.get(node)
  if (text !== undefined) return JSON.stringify(text)
  return node.value === null ? 'nothing' : JSON.stringify(node.value)
}
