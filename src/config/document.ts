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

export type KeyPath = readonly (string | number)[]

/** A place in the file, for people: the first line and column are 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface Problem extends Place {
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
  placeOf(path: KeyPath, what?: 'key' | 'value'): Place
  /** The value at this path as it is written in the file, variables not filled in; undefined when it is not there. */
  writtenAt(path: KeyPath): string | undefined
}

// In a flow mapping `{ url: ${DATABASE_URL} }` YAML takes the braces for its own. So a reference is rewritten to
// private-use characters of the same length before YAML reads the text; positions stay right, and what a variable
// holds is never parsed as YAML.
const [OPEN, BRACE, CLOSE] = ['\uE000', '\uE001', '\uE002']
const SEVERAL_DOCUMENTS = 'the file holds several documents (---); one is allowed'
const REFERENCE = /\$\{([^}\n]*)\}/g
const MARKED = /\uE000\uE001([^\uE002]*)\uE002/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/** Reads YAML text and fills in `${NAME}` and `${NAME:-default}`; `$${NAME}` stays `${NAME}`. Never throws. */
export function readDocument(text: string, environment: Readonly<Record<string, string | undefined>>): ConfigDocument {
  const lines = new LineCounter()
  const marked = text.replace(REFERENCE, (_, inner: string) => `${OPEN}${BRACE}${inner}${CLOSE}`)
  const document = parseDocument(marked, { lineCounter: lines, merge: false, prettyErrors: false })
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const written = new Map<unknown, string>()
  const problems: Problem[] = document.errors.map(error => ({
    ...place(error.pos[0]),
    key: '',
    message: error.code === 'MULTIPLE_DOCS' ? SEVERAL_DOCUMENTS : lowerFirst(unmark(error.message)),
  }))
  visit(document, {
    Alias: (_key, node) => {
      problems.push({ ...place(node.range?.[0] ?? 0), key: '', message: 'aliases (*) are not supported here' })
    },
    Scalar: (key, node) => {
      if (typeof node.value !== 'string' || !node.value.includes(OPEN)) return
      const original = unmark(node.value)
      written.set(node, original)
      if (key === 'key') node.value = original
      else
        node.value = fill(node.value, environment, message => {
          problems.push({ ...place(node.range?.[0] ?? 0), key: '', message })
        })
    },
  })
  return {
    value: problems.length === 0 ? document.toJS() : undefined,
    problems,
    placeOf: (path, what = 'value') => place(offsetOf(document, path, what)),
    writtenAt: path => writtenText(nodeAt(document, path), written),
  }
}

const unmark = (text: string): string => text.replace(MARKED, (_, inner: string) => `\${${inner}}`)
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '')

function fill(
  value: string,
  environment: Readonly<Record<string, string | undefined>>,
  fail: (message: string) => void,
): string {
  return value.replace(/\$?\uE000\uE001([^\uE002]*)\uE002/g, (whole, inner: string) => {
    if (whole.startsWith('$')) return `\${${inner}}`
    const [, name = '', otherwise] = VARIABLE.exec(inner) ?? []
    if (name === '') fail(`\${${inner}} is not the name of an environment variable`)
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
