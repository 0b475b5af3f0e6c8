import { createHash } from 'node:crypto'

export interface SchemaObject {
  readonly type: string
  readonly name: string
  readonly table: string
  readonly sql: string
}

/** `"a name"`, quoted for SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Equal schemas, equal fingerprints: order of creation, white space and comments do not count. */
export function fingerprintSchema(objects: readonly SchemaObject[]): string {
  const lines = objects
    .map(object => JSON.stringify([object.type, object.name, object.table, normalizeSql(object.sql)]))
    .sort()
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** Comments and white space away, but for one blank between words; what is quoted stays as it is. */
export function normalizeSql(sql: string): string {
  let out = ''
  let gap = false
  for (const token of sql.match(TOKEN) ?? []) {
    if (/^(--|\/\*|\s)/.test(token)) {
      gap = true
      continue
    }
    if (gap && ENDS_WORD.test(out.slice(-1)) && STARTS_WORD.test(token)) out += ' '
    out += token
    gap = false
  }
  return out
}

/** The conditions of a table's CHECK constraints, as its statement has them. */
export function checkConstraintsOf(sql: string): string[] {
  const tokens = sql.match(TOKEN) ?? []
  const found: string[] = []
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i]?.toUpperCase() !== 'CHECK') continue
    const from = tokens.findIndex((token, at) => at > i && !/^(--|\/\*|\s)/.test(token))
    if (tokens[from] !== '(') continue
    const end = closingOf(tokens, from)
    found.push(tokens.slice(from + 1, end).join(''))
    i = end
  }
  return found
}

function closingOf(tokens: readonly string[], open: number): number {
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    if (tokens[at] === '(') depth += 1
    if (tokens[at] === ')' && --depth === 0) return at
  }
  return tokens.length
}

/** Where two of these meet, a blank between them means something. */
const ENDS_WORD = /[\w$\]"'`\u0080-\uffff]$/
const STARTS_WORD = /^[\w$["'`\u0080-\uffff]/

const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\s+|[\w$]+|[\s\S]/g
